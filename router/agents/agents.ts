/** The agents of a user. Every function answers only with agents of that user; the agents of others are not found. */
import type { Backend, BackendRegistry } from '../backends/backends';
import { AppError } from '../lib/errors';
import { Recent } from '../lib/lru';
import type { Agent, AgentsStore } from './store';

/** How many default agents, and how many agents by their id, are cached in memory. */
const CACHED_MAX = 10_000;

/** An agent with its slug: its name in a model id, unique among the user's agents. */
export type NamedAgent = Agent & { readonly slug: string };

export type AgentsService = ReturnType<typeof agentsService>;

export function agentsService(deps: { agents: AgentsStore; backends: BackendRegistry; now: () => number }) {
  const { agents, backends, now } = deps;

  // Every request needs an agent. Agents never change and are never removed, so the cache needs no invalidation.
  const defaults = new Recent<string, Promise<Agent>>(CACHED_MAX);
  const byId = new Recent<string, Agent>(CACHED_MAX);

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
    /** Returns the user's default agent of a backend. Creates it if it does not exist. */
    defaultOf,

    /** Returns an agent. Throws `not_found` when it does not exist or belongs to another user. */
    async get(userId: string, id: string): Promise<Agent> {
      const agent = byId.get(id) ?? (await agents.find(id));
      if (agent) byId.set(id, agent);
      if (agent?.userId !== userId) throw new AppError('not_found', { message: 'There is no such agent.' });
      return agent;
    },

    /** Returns the user's agents of all configured backends, in the order of `backends.json`, then by ordinal. */
    async list(userId: string): Promise<readonly NamedAgent[]> {
      return withSlugs(await ordered(userId));
    },

    /** Returns the user's agent with this slug; clients name it `@slug`. */
    async findBySlug(userId: string, slug: string): Promise<Agent | undefined> {
      return withSlugs(await ordered(userId)).find((agent) => agent.slug === slug);
    },

    /** Creates the missing default agents of the user, one for each backend. */
    async ensureDefaults(userId: string): Promise<void> {
      for (const backend of backends.all()) await defaultOf(userId, backend);
    },
  };
}

/** Adds slugs of lower-case letters, digits and "-". When slugs are equal, the later ones get a number. */
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
