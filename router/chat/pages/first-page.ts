/** Finds the page on which a user lands. */

import type { Who } from '../../accounts/identify';
import type { AgentsService } from '../../agents/agents';
import type { Agent } from '../../agents/store';
import { usesUpstream } from '../../backends/traits';
import type { CredentialsService } from '../../credentials/credentials';
import { AppError } from '../../lib/errors';
import { textOf } from '../../web/reader';
import type { ConversationsService } from '../conversations';
import { isUsable, type UsableDeps } from '../usable';

/** Conversations among which the latest with an agent that can answer is searched. */
const LATEST_MAX = 200;

interface FirstPageDeps extends UsableDeps {
  readonly agents: AgentsService;
  readonly conversations: ConversationsService;
  readonly credentials: Pick<CredentialsService, 'missing'>;
}

/**
 * Returns the path: the conversation that the user changed last, otherwise a new one, if possible with an agent that can answer,
 * and rather with one that has an LLM to do so. Throws `not_found` when there is no agent.
 */
export async function firstPage(deps: FirstPageDeps, who: Who): Promise<string> {
  await deps.agents.ensureDefaults(who.user.id);
  const agents = await deps.agents.list(who.user.id);
  const usable = agents.filter((agent) => isUsable(deps, agent));
  const open = new Set((usable.length > 0 ? usable : agents).map(({ id }) => id));
  const rows = await deps.conversations.list(who.user.id, { limit: LATEST_MAX });
  const [latest] = [...rows, ...(await deps.conversations.pinned(who.user.id))]
    .filter(({ agentId }) => open.has(agentId))
    .sort((a, b) => b.updatedAtMs - a.updatedAtMs);
  if (latest) return `/conversations/${latest.id}`;
  const first =
    (await withModel(deps, usable)) ??
    usable[0] ??
    agents.find(({ backend }) => deps.backends.find(backend)?.disabled === false);
  if (!first) throw new AppError('not_found', { message: textOf(who).sidebar.noAgents });
  return `/agents/${first.id}`;
}

/** The first of the agents that calls an LLM and has everything that it needs for it. */
async function withModel(
  { backends, credentials }: FirstPageDeps,
  agents: readonly Agent[],
): Promise<Agent | undefined> {
  for (const agent of agents) {
    const backend = backends.find(agent.backend);
    if (backend && usesUpstream(backend) && (await credentials.missing(agent, backend)).length === 0) return agent;
  }
  return undefined;
}
