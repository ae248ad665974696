/** Limits of users: at most one row for each, and one for everybody without a limit of their own. */
import { eq } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { userLimits } from '../../database/schema/accounts';

export type UserLimits = typeof userLimits.$inferSelect;

export type LimitsStore = ReturnType<typeof limitsStore>;

export function limitsStore(db: Db) {
  return {
    async list(): Promise<readonly UserLimits[]> {
      return db.select().from(userLimits).all();
    },
    async put(limits: UserLimits): Promise<void> {
      db.insert(userLimits).values(limits).onConflictDoUpdate({ target: userLimits.subjectId, set: limits }).run();
    },
    async delete(subjectId: string): Promise<void> {
      db.delete(userLimits).where(eq(userLimits.subjectId, subjectId)).run();
    },
  };
}
