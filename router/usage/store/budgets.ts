/** Budgets: at most one for each user and each key. */
import { eq } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { budgets } from '../../database/schema/usage';

export type Budget = typeof budgets.$inferSelect;

export type BudgetsStore = ReturnType<typeof budgetsStore>;

export function budgetsStore(db: Db) {
  return {
    async list(): Promise<readonly Budget[]> {
      return db.select().from(budgets).all();
    },
    async put(budget: Budget): Promise<void> {
      db.insert(budgets).values(budget).onConflictDoUpdate({ target: budgets.subjectId, set: budget }).run();
    },
    /** @returns whether there was a budget. */
    async delete(subjectId: string): Promise<boolean> {
      const rows = db.delete(budgets).where(eq(budgets.subjectId, subjectId)).returning({ id: budgets.subjectId });
      return rows.all().length > 0;
    },
  };
}
