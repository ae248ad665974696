/** What a user has set: credential values (sealed) and idle times. */
import { and, eq } from 'drizzle-orm';
import type { Db } from './database';
import { credentials, idlePreferences } from './schema';

export type CredentialRow = typeof credentials.$inferSelect;

export type SettingsStore = ReturnType<typeof settingsStore>;

export function settingsStore(db: Db) {
  return {
    async credentialsOf(userId: string): Promise<readonly CredentialRow[]> {
      return db.select().from(credentials).where(eq(credentials.userId, userId)).all();
    },
    /** Writes all rows or none. */
    async putCredentials(rows: readonly CredentialRow[]): Promise<void> {
      if (rows.length === 0) return;
      db.transaction((tx) => {
        for (const row of rows) {
          tx.insert(credentials)
            .values(row)
            .onConflictDoUpdate({
              target: [credentials.userId, credentials.backend, credentials.name],
              set: { sealed: row.sealed, updatedAtMs: row.updatedAtMs },
            })
            .run();
        }
      });
    },
    /** Removes one value, or without `name` every value of that scope. */
    async deleteCredentials(scope: { userId: string; backend: string; name?: string }): Promise<void> {
      const { userId, backend, name } = scope;
      const same = [eq(credentials.userId, userId), eq(credentials.backend, backend)];
      if (name !== undefined) same.push(eq(credentials.name, name));
      db.delete(credentials)
        .where(and(...same))
        .run();
    },

    /** Backend → seconds, 0 for never. */
    async idleSecondsOf(userId: string): Promise<ReadonlyMap<string, number>> {
      const rows = db.select().from(idlePreferences).where(eq(idlePreferences.userId, userId)).all();
      return new Map(rows.map((row) => [row.backend, row.idleSeconds]));
    },
    async putIdleSeconds(userId: string, backend: string, idleSeconds: number): Promise<void> {
      db.insert(idlePreferences)
        .values({ userId, backend, idleSeconds })
        .onConflictDoUpdate({ target: [idlePreferences.userId, idlePreferences.backend], set: { idleSeconds } })
        .run();
    },
  };
}
