/** The agents of a user. Every function answers only with agents of that user; the agents of others are not found. */
import type { UserLimitsService } from '../accounts/users/limits';
import type { Backend, BackendRegistry } from '../backends/backends';
import { AppError } from '../lib/errors';
import { Lookup, type Soon } from '../lib/lookup';
import { Recent } from '../lib/lru';
import { freeSlug, slugOf } from '../lib/slug';
import type { Agent, AgentsStore } from './store';

const NAME_LENGTH_MAX = 80;
const MODEL_LENGTH_MAX = 200;

/** How many default agents, and how many agents by their id, are cached in memory. */
const CACHED_MAX = 10_000;

/** An agent with its slug: its name in a model id, unique among the user's agents. */
type NamedAgent = Agent & { readonly slug: string };

export type AgentsService = ReturnType<typeof agentsService>;

interface AgentsDeps {
  readonly agents: AgentsStore;
  readonly backends: BackendRegistry;
  /** How many agents a user may have of one backend, and which backends. */
  readonly limits: Pick<UserLimitsService, 'agentsOf' | 'allows'>;
  readonly now: () => number;
}

export function agentsService(deps: AgentsDeps) {
  const { agents, backends, limits, now } = deps;

  // Every request needs an agent. A changed agent is forgotten in both caches.
  const defaults = new Recent<string, Lookup<Agent>>(CACHED_MAX);
  const byId = new Recent<string, Agent>(CACHED_MAX);

  function forget(agent: Agent): void {
    defaults.delete(placeOf(agent));
    byId.delete(agent.id);
  }

  function defaultOf(userId: string, backend: Backend): Soon<Agent> {
    if (!limits.allows(userId, backend.name)) throw notAllowed(backend.name);
    const place = placeOf({ userId, backend: backend.name });
    const known = defaults.get(place);
    return known ? known.result : ensureDefault(userId, backend, place);
  }

  function ensureDefault(userId: string, backend: Backend, place: string): Promise<Agent> {
    const found = new Lookup(
      agents.ensureDefault({ userId, backend: backend.name, name: backend.displayName, nowMs: now() }),
    );
    defaults.set(place, found);
    found.promise.catch(() => defaults.delete(place, found));
    return found.promise;
  }

  function get(userId: string, id: string): Soon<Agent> {
    const known = byId.get(id);
    return known ? allowed(userId, known) : found(userId, id);
  }

  async function found(userId: string, id: string): Promise<Agent> {
    const agent = await agents.find(id);
    if (agent) byId.set(id, agent);
    return allowed(userId, agent);
  }

  function allowed(userId: string, agent: Agent | undefined): Agent {
    if (agent?.userId !== userId || !limits.allows(userId, agent.backend))
      throw new AppError('not_found', { message: 'There is no such agent.' });
    return agent;
  }

  async function ordered(userId: string): Promise<readonly Agent[]> {
    const order = new Map(backends.all().map(({ name }, index) => [name, index]));
    const place = ({ backend }: Agent) => order.get(backend) ?? 0;
    return (await agents.list(userId))
      .filter(({ backend }) => order.has(backend) && limits.allows(userId, backend))
      .sort((a, b) => place(a) - place(b) || a.ordinal - b.ordinal);
  }

  return {
    /** Returns the user's default agent of a backend. Creates it if it does not exist. Throws `forbidden`. */
    defaultOf,

    /** Returns an agent. Throws `not_found` when it does not exist or belongs to another user. */
    get,

    /** Agents that a user may have of one backend. */
    maxPerBackend: limits.agentsOf,

    /** Whether the user may use the backend. */
    allows: limits.allows,

    /** Returns the user's agents, also those of backends that are no longer configured, by backend and ordinal. */
    listAll: (userId: string): Promise<readonly Agent[]> => agents.list(userId),

    /**
     * Makes an agent. Longer texts are cut to 80 characters of the name and 200 of the model.
     * Throws `invalid_request` for an unknown backend or an empty name, `conflict` when the user has as many as allowed.
     */
    async create(userId: string, asked: { backend: string; name: string; model: string }): Promise<Agent> {
      const { backend } = asked;
      if (!backends.find(backend)) {
        throw new AppError('invalid_request', { message: `There is no backend "${backend.slice(0, 100)}".` });
      }
      if (!limits.allows(userId, backend)) throw notAllowed(backend);
      const maxPerBackend = limits.agentsOf(userId);
      const named = { name: nameFrom(asked.name), model: modelFrom(asked.model) };
      const agent = await agents.insert({ userId, backend, ...named, createdAtMs: now() }, maxPerBackend);
      if (!agent) {
        const message = `You have ${maxPerBackend} agents of the backend "${backend}", and may have no more.`;
        throw new AppError('conflict', {
          message,
          hint: 'The limits of users, or MAX_AGENTS_PER_BACKEND, set how many.',
        });
      }
      forget(agent);
      return agent;
    },

    /**
     * Changes an agent's name, its model, its idle time or several. Throws `invalid_request` for an empty name.
     * @param change.idleSeconds clamped; null: as for the user's other agents.
     */
    async update(agent: Agent, change: { name?: string; model?: string; idleSeconds?: number | null }): Promise<Agent> {
      const { name, model, idleSeconds } = change;
      if (name === undefined && model === undefined && idleSeconds === undefined) return agent;
      await agents.update(agent.id, {
        ...(name !== undefined && { name: nameFrom(name) }),
        ...(model !== undefined && { model: modelFrom(model) }),
        ...(idleSeconds !== undefined && { idleSeconds }),
        updatedAtMs: now(),
      });
      forget(agent);
      return get(agent.userId, agent.id);
    },

    /** Deletes an agent with its conversations. Throws `driver_unavailable` while it has a runner. */
    async delete(agent: Agent): Promise<void> {
      const isDeleted = await agents.delete(agent.id);
      if (!isDeleted) {
        const message = 'The agent still has a runner, and the platform that runs it does not answer. Try again soon.';
        throw new AppError('driver_unavailable', { message });
      }
      forget(agent);
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
      for (const backend of backends.all()) {
        if (limits.allows(userId, backend.name)) await defaultOf(userId, backend);
      }
    },
  };
}

function notAllowed(backend: string): AppError {
  return new AppError('forbidden', { message: `You may not use the backend "${backend}". Ask the administrator.` });
}

function placeOf({ userId, backend }: Pick<Agent, 'userId' | 'backend'>): string {
  return `${userId} ${backend}`;
}

function nameFrom(text: string): string {
  const name = text.trim().slice(0, NAME_LENGTH_MAX);
  if (name === '') throw new AppError('invalid_request', { message: 'Give the agent a name.' });
  return name;
}

function modelFrom(text: string): string {
  return text.trim().slice(0, MODEL_LENGTH_MAX);
}

/** Adds slugs. When slugs are equal, the later ones get a number. */
function withSlugs(agents: readonly Agent[]): NamedAgent[] {
  const taken = new Set<string>();
  return agents.map((agent) => {
    const slug = freeSlug(slugOf(agent.name) || agent.backend, taken);
    taken.add(slug);
    return { ...agent, slug };
  });
}
