/** Runners: one row per runner, from the intent to start it until the router knows that it is gone. */
import { eq } from 'drizzle-orm';
import { type Db, isForeignKeyViolation } from '../database/database';
import { inList } from '../database/in-list';
import { runners } from '../database/schema/runners';
import { AppError } from '../lib/errors';

export type RunnerRow = typeof runners.$inferSelect;
type NewRunnerRow = typeof runners.$inferInsert;

export type RunnersStore = ReturnType<typeof runnersStore>;

export function runnersStore(db: Db) {
  return {
    async list(): Promise<readonly RunnerRow[]> {
      return db.select().from(runners).all();
    },
    /** An agent has at most one row. */
    async findByAgent(agentId: string): Promise<RunnerRow | undefined> {
      return db.select().from(runners).where(eq(runners.agentId, agentId)).get();
    },
    /**
     * Writes the intent to start a runner. Throws a unique violation if the agent has one, and `not_found` if the agent
     * was deleted.
     */
    async insert(row: NewRunnerRow): Promise<void> {
      try {
        db.insert(runners).values(row).run();
      } catch (cause) {
        if (isForeignKeyViolation(cause)) throw new AppError('not_found', { message: 'The agent was deleted.', cause });
        throw cause;
      }
    },
    async update(
      id: string,
      change: Partial<Pick<RunnerRow, 'state' | 'handle' | 'url' | 'specHash' | 'lastActiveAtMs'>>,
    ): Promise<void> {
      db.update(runners).set(change).where(eq(runners.id, id)).run();
    },
    /** Deletes every row: the runners belong to another installation or place. */
    async deleteAll(): Promise<void> {
      db.delete(runners).run();
    },
    async delete(...ids: readonly string[]): Promise<void> {
      db.delete(runners).where(inList(runners.id, ids)).run();
    },
    /** @param activeAtMs runner id → time of its last work. */
    async markActive(activeAtMs: ReadonlyMap<string, number>): Promise<void> {
      for (const [id, lastActiveAtMs] of activeAtMs) {
        db.update(runners).set({ lastActiveAtMs }).where(eq(runners.id, id)).run();
      }
    },
  };
}
