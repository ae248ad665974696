/** Stores agents: a user's durable instances of backends. */
import { and, asc, eq, sql } from 'drizzle-orm';
import { type Db, isForeignKeyViolation } from '../database/database';
import { IN_LIST } from '../database/in-list';
import { agents } from '../database/schema/agents';
import { transaction } from '../database/transaction';
import { newId } from '../lib/ids';
import { lazy } from '../lib/lazy';

export type Agent = typeof agents.$inferSelect;
type AgentName = Pick<Agent, 'id' | 'name'>;

export type AgentsStore = ReturnType<typeof agentsStore>;

export function agentsStore(db: Db) {
  const { placeholder } = sql;
  const statements = lazy(() => ({
    byId: db
      .select()
      .from(agents)
      .where(eq(agents.id, placeholder('id')))
      .prepare(),
    defaultOf: db
      .select()
      .from(agents)
      .where(and(eq(agents.userId, placeholder('userId')), eq(agents.backend, placeholder('backend'))))
      .orderBy(asc(agents.ordinal))
      .limit(1)
      .prepare(),
  }));

  return {
    async find(id: string): Promise<Agent | undefined> {
      return statements().byId.get({ id });
    },
    /** The names of those of the agents that are there. */
    async namesOf(ids: readonly string[]): Promise<readonly AgentName[]> {
      const statement = `SELECT id, name FROM agents WHERE id ${IN_LIST}`;
      return db.$client.query<AgentName, [ids: string]>(statement).all(JSON.stringify(ids));
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
      const found = statements().defaultOf.get({ userId, backend });
      if (found) return found;
      db.insert(agents)
        .values({ id: newId(), userId, backend, name, ordinal: 1, createdAtMs: nowMs })
        .onConflictDoNothing()
        .run();
      const made = statements().defaultOf.get({ userId, backend });
      if (!made) throw new Error(`The default agent of ${backend} could not be made`);
      return made;
    },
    /**
     * Inserts an agent with the lowest free ordinal of its user and backend. @returns undefined when there are
     * `ordinalMax` already.
     */
    async insert(
      agent: Pick<Agent, 'userId' | 'backend' | 'name' | 'model' | 'createdAtMs'>,
      ordinalMax: number,
    ): Promise<Agent | undefined> {
      const { userId, backend } = agent;
      return transaction(db, (tx) => {
        const there = and(eq(agents.userId, userId), eq(agents.backend, backend));
        const taken = new Set(tx.select({ ordinal: agents.ordinal }).from(agents).where(there).all().map(ordinalOf));
        let ordinal = 1;
        while (taken.has(ordinal)) ordinal += 1;
        if (taken.size >= ordinalMax) return undefined;
        return tx
          .insert(agents)
          .values({ ...agent, id: newId(), ordinal })
          .returning()
          .get();
      });
    },
    async update(
      id: string,
      change: Partial<Pick<Agent, 'name' | 'model' | 'idleSeconds' | 'updatedAtMs'>>,
    ): Promise<void> {
      db.update(agents).set(change).where(eq(agents.id, id)).run();
    },
    /** Deletes an agent with its conversations. @returns false, and deletes nothing, while it has a runner. */
    async delete(id: string): Promise<boolean> {
      try {
        db.delete(agents).where(eq(agents.id, id)).run();
        return true;
      } catch (error) {
        if (isForeignKeyViolation(error)) return false;
        throw error;
      }
    },
  };
}

function ordinalOf({ ordinal }: { ordinal: number }): number {
  return ordinal;
}
