/** An agent together with its backend, for what needs both. */
import type { Backend, BackendRegistry } from '../backends/backends';
import type { AgentsService } from './agents';
import type { Agent } from './store';

export interface AgentAndBackend {
  readonly agent: Agent;
  readonly backend: Backend;
}

/** Throws `not_found` when the user has no such agent, and when its backend is no longer configured. */
export async function agentWithBackend(
  { agents, backends }: { readonly agents: Pick<AgentsService, 'get'>; readonly backends: BackendRegistry },
  userId: string,
  id: string,
): Promise<AgentAndBackend> {
  const agent = await agents.get(userId, id);
  return { agent, backend: backends.of(agent) };
}
