/** What users have set: credential values (sealed), which of the administrator's are shared, and idle times. */
import { and, eq, inArray } from 'drizzle-orm';
import type { Db } from './database';
import { credentials, idlePreferences, sharedVariables } from './schema';

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

    /** Names of the variables that the administrator shares. */
    async sharedVariables(): Promise<ReadonlySet<string>> {
      return new Set(
        db
          .select()
          .from(sharedVariables)
          .all()
          .map(({ name }) => name),
      );
    },
    /** Shares all of `names`, or none of them from now on. */
    async setShared(names: readonly string[], shared: boolean, updatedAtMs: number): Promise<void> {
      if (names.length === 0) return;
      if (!shared) {
        db.delete(sharedVariables).where(inArray(sharedVariables.name, names)).run();
        return;
      }
      const rows = names.map((name) => ({ name, updatedAtMs }));
      db.insert(sharedVariables)
        .values(rows)
        .onConflictDoUpdate({ target: sharedVariables.name, set: { updatedAtMs } })
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
