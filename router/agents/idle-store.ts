/** Stores the idle times that users have set, per backend. */
import { eq } from 'drizzle-orm';
import type { Db } from '../database/database';
import { idlePreferences } from '../database/schema/agents';

export type IdleStore = ReturnType<typeof idleStore>;

export function idleStore(db: Db) {
  return {
    /** Returns backend → seconds; 0 means that the runner never stops for being idle. */
    async secondsOf(userId: string): Promise<ReadonlyMap<string, number>> {
      const rows = db.select().from(idlePreferences).where(eq(idlePreferences.userId, userId)).all();
      return new Map(rows.map((row) => [row.backend, row.idleSeconds]));
    },
    async put(userId: string, backend: string, idleSeconds: number): Promise<void> {
      db.insert(idlePreferences)
        .values({ userId, backend, idleSeconds })
        .onConflictDoUpdate({ target: [idlePreferences.userId, idlePreferences.backend], set: { idleSeconds } })
        .run();
    },
  };
}
