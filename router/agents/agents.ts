/** Agents as their owner sees them. What is not theirs is not found. */
import type { Backend, BackendRegistry } from '../backends/backends';
import { AppError } from '../lib/errors';
import { Recent } from '../lib/lru';
import type { Agent, AgentsStore } from './store';

/** How many default agents are known without the database. */
const DEFAULTS_MAX = 10_000;

/** An agent with what its name is in a model id: unique among the user's agents. */
export type NamedAgent = Agent & { readonly slug: string };

export type AgentsService = ReturnType<typeof agentsService>;

export function agentsService(deps: { agents: AgentsStore; backends: BackendRegistry; now: () => number }) {
  const { agents, backends, now } = deps;

  // Every warm request asks for one. An agent never changes and is never removed, so nothing is ever forgotten here.
  const defaults = new Recent<string, Promise<Agent>>(DEFAULTS_MAX);

  function defaultOf(userId: string, backend: Backend): Promise<Agent> {
    const place = `${userId} ${backend.name}`;
    const known = defaults.get(place);
    if (known) return known;
    const found = agents.ensureDefault({ userId, backend: backend.name, name: backend.displayName, nowMs: now() });
    defaults.set(place, found);
    found.catch(() => defaults.delete(place, found));
    return found;
  }

  async function ordered(userId: string): Promise<readonly Agent[]> {
    const order = new Map(backends.all().map(({ name }, index) => [name, index]));
    const place = ({ backend }: Agent) => order.get(backend) ?? 0;
    return (await agents.list(userId))
      .filter(({ backend }) => order.has(backend))
      .sort((a, b) => place(a) - place(b) || a.ordinal - b.ordinal);
  }

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
    async list(userId: string): Promise<readonly NamedAgent[]> {
      return withSlugs(await ordered(userId));
    },

    /** The agent that the user's clients call `@slug`. */
    async findBySlug(userId: string, slug: string): Promise<Agent | undefined> {
      return withSlugs(await ordered(userId)).find((agent) => agent.slug === slug);
    },

    /** Makes the default agents that the user does not have yet, one for each backend. */
    async ensureDefaults(userId: string): Promise<void> {
      for (const backend of backends.all()) await defaultOf(userId, backend);
    },
  };
}

/** Names in lower-case letters, digits and "-"; of several alike, the later ones carry a number. */
function withSlugs(agents: readonly Agent[]): NamedAgent[] {
  const taken = new Set<string>();
  return agents.map((agent) => {
    const plain = agent.name
      .normalize('NFKD')
      .replace(/\p{M}/gu, '')
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '');
    const base = plain || agent.backend;
    let slug = base;
    for (let number = 2; taken.has(slug); number += 1) slug = `${base}-${number}`;
    taken.add(slug);
    return { ...agent, slug };
  });
}
