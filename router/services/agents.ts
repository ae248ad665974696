/** Agents as their owner sees them. What is not theirs is not found. */
import type { Backend, BackendRegistry } from '../backends';
import { AppError } from '../errors';
import type { Agent, AgentsStore } from '../stores/agents';

export type AgentsService = ReturnType<typeof agentsService>;

export function agentsService(deps: { agents: AgentsStore; backends: BackendRegistry; now: () => number }) {
  const { agents, backends, now } = deps;

  const defaultOf = (userId: string, backend: Backend): Promise<Agent> =>
    agents.ensureDefault({ userId, backend: backend.name, name: backend.displayName, nowMs: now() });

  return {
    /** The user's default agent of a backend, made when there is none. */
    defaultOf,

    /** Throws `not_found` for an agent of somebody else as for one that never was. */
    async get(userId: string, id: string): Promise<Agent> {
      const agent = await agents.find(id);
      if (agent?.userId !== userId) throw new AppError('not_found', { message: 'There is no such agent.' });
      return agent;
    },

    /** All agents of the user on backends that are configured, in the order of `backends.json`, then by ordinal. */
    async list(userId: string): Promise<readonly Agent[]> {
      const order = new Map(backends.all().map(({ name }, index) => [name, index]));
      const place = ({ backend }: Agent) => order.get(backend) ?? 0;
      return (await agents.list(userId))
        .filter(({ backend }) => order.has(backend))
        .sort((a, b) => place(a) - place(b) || a.ordinal - b.ordinal);
    },

    /** Makes the default agents that the user does not have yet, one for each backend. */
    async ensureDefaults(userId: string): Promise<void> {
      for (const backend of backends.all()) await defaultOf(userId, backend);
    },
  };
}
