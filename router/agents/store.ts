/** Stores agents: a user's durable instances of backends. */
import { and, asc, eq, sql } from 'drizzle-orm';
import type { Db } from '../database/database';
import { inList } from '../database/in-list';
import { agents } from '../database/schema/agents';
import { newId } from '../lib/ids';

export type Agent = typeof agents.$inferSelect;

export type AgentsStore = ReturnType<typeof agentsStore>;

export function agentsStore(db: Db) {
  const byId = db
    .select()
    .from(agents)
    .where(eq(agents.id, sql.placeholder('id')))
    .prepare();
  const defaultOf = db
    .select()
    .from(agents)
    .where(and(eq(agents.userId, sql.placeholder('userId')), eq(agents.backend, sql.placeholder('backend'))))
    .orderBy(asc(agents.ordinal))
    .limit(1)
    .prepare();

  return {
    async find(id: string): Promise<Agent | undefined> {
      return byId.get({ id });
    },
    /** The names of those of the agents that are there. */
    async namesOf(ids: readonly string[]): Promise<readonly Pick<Agent, 'id' | 'name'>[]> {
      if (ids.length === 0) return [];
      const { id, name } = agents;
      return db.select({ id, name }).from(agents).where(inList(id, ids)).all();
    },
    /** Returns the user's agents, ordered by backend, then ordinal. */
    async list(userId: string): Promise<readonly Agent[]> {
      return db.select().from(agents).where(eq(agents.userId, userId)).orderBy(agents.backend, agents.ordinal).all();
    },
    /**
     * Returns the user's agent with the lowest ordinal on the backend. Creates it if none exists; parallel calls create
     * one agent.
     */
    async ensureDefault(options: { userId: string; backend: string; name: string; nowMs: number }): Promise<Agent> {
      const { userId, backend, name, nowMs } = options;
      const found = defaultOf.get({ userId, backend });
      if (found) return found;
      db.insert(agents)
        .values({ id: newId(), userId, backend, name, ordinal: 1, createdAtMs: nowMs })
        .onConflictDoNothing()
        .run();
      const made = defaultOf.get({ userId, backend });
      if (!made) throw new Error(`The default agent of ${backend} could not be made`);
      return made;
    },
  };
}
