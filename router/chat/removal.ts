/** Deletes an agent together with everything that depends on it. */
import type { AgentsService } from '../agents/agents';
import type { Agent } from '../agents/store';
import { moveToTrash } from '../agents/trash';
import { runnersLog } from '../lib/log';
import type { RunnersService } from '../runners/runners';
import type { ConversationsService } from './conversations';
import type { GenerationsService } from './generations/generations';

export interface RemovalDeps {
  readonly agents: AgentsService;
  readonly config: { readonly homesRoot: string };
  readonly conversations: Pick<ConversationsService, 'deleteOfAgent' | 'renewSessions'>;
  readonly generations: GenerationsService;
  readonly runners: RunnersService;
}

/**
 * Stops the agent's answers and its runner, deletes the agent with its conversations, and moves its home to the trash
 * of the homes. Throws `driver_unavailable`, and deletes nothing, when the runner cannot be stopped.
 */
export async function removeAgent(deps: RemovalDeps, agent: Agent): Promise<void> {
  const { agents, config, conversations, generations, runners } = deps;
  await generations.stopOf({ agentId: agent.id });
  await runners.remove(agent.id, async () => {
    await conversations.deleteOfAgent(agent.id);
    return agents.delete(agent);
  });
  await moveToTrash(config.homesRoot, agent.id).catch((error: unknown) => {
    // The id is never used again, so a home that stays in its place is used by nobody.
    runnersLog.error({ agent: agent.id, err: error }, 'home.not_moved');
  });
}

/**
 * Stops the agent's answers and its runner, and moves its home to the trash of the homes; the next start fills a new one.
 * Its conversations stay, and tell the runtime what was said before. Throws `driver_unavailable`, and changes nothing,
 * when the runner cannot be stopped. Throws the error of the file system when it refuses the move.
 */
export async function resetHome(deps: Omit<RemovalDeps, 'agents'>, agent: Agent): Promise<void> {
  const { config, conversations, generations, runners } = deps;
  await generations.stopOf({ agentId: agent.id });
  await runners.renew(agent, async () => {
    await moveToTrash(config.homesRoot, agent.id);
    await conversations.renewSessions(agent.id);
  });
}
