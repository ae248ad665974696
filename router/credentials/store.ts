/** Stores the values that users have set (sealed), and the names of the variables that the administrator shares. */
import { and, eq, inArray } from 'drizzle-orm';
import type { Db } from '../database/database';
import { credentials, sharedVariables } from '../database/schema/credentials';
import { transaction } from '../database/transaction';

type CredentialRow = typeof credentials.$inferSelect;

export type SettingsStore = ReturnType<typeof settingsStore>;

export function settingsStore(db: Db) {
  return {
    async credentialsOf(userId: string): Promise<readonly CredentialRow[]> {
      return db.select().from(credentials).where(eq(credentials.userId, userId)).all();
    },
    /** Writes all rows and removes all `names` of a scope, in one transaction. */
    async putCredentials(
      rows: readonly CredentialRow[],
      removed?: { userId: string; backend: string; names: readonly string[] },
    ): Promise<void> {
      transaction(db, (tx) => {
        if (removed && removed.names.length > 0) {
          const { userId, backend, names } = removed;
          tx.delete(credentials)
            .where(
              and(
                eq(credentials.userId, userId),
                eq(credentials.backend, backend),
                inArray(credentials.name, [...names]),
              ),
            )
            .run();
        }
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
    /** Removes every value of a scope. */
    async deleteCredentials({ userId, backend }: { userId: string; backend: string }): Promise<void> {
      db.delete(credentials)
        .where(and(eq(credentials.userId, userId), eq(credentials.backend, backend)))
        .run();
    },

    /** Returns the names of the variables that the administrator shares. */
    async sharedVariables(): Promise<ReadonlySet<string>> {
      return new Set(
        db
          .select()
          .from(sharedVariables)
          .all()
          .map(({ name }) => name),
      );
    },
    /** Marks `names` as shared, or as not shared. */
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
  };
}
