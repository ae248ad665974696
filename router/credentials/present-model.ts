/** Which model answers an agent's calls. */
import type { Agent } from '../agents/store';
import type { Backend } from '../backends/backends';
import type { CredentialsService } from './credentials';

/**
 * The model that answers an agent's calls now, and the one that would without a model of its own. Undefined where the
 * backend leaves no choice.
 */
export async function modelOf(
  { credentials }: { readonly credentials: CredentialsService },
  agent: Agent,
  backend: Backend,
): Promise<{ now?: string; inherited?: string } | undefined> {
  if (!backend.userOverridableEnv.includes('LLM_MODEL')) return undefined;
  const values = await credentials.resolve({ userId: agent.userId, model: '' }, backend);
  const inherited = values.find(({ name }) => name === 'LLM_MODEL')?.value;
  const now = agent.model || inherited;
  return { ...(now !== undefined && { now }), ...(inherited !== undefined && { inherited }) };
}
