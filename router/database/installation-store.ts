/** Facts about this installation: its id, and a sealed text that verifies the encryption key. */
import { eq, sql } from 'drizzle-orm';
import type { Db } from './database';
import { installation } from './schema/installation';

export type InstallationStore = ReturnType<typeof installationStore>;

export function installationStore(db: Db) {
  return {
    async find(name: string): Promise<string | undefined> {
      return db.select().from(installation).where(eq(installation.name, name)).get()?.value;
    },
    /** Writes all of `facts`, or none of them. */
    async put(facts: Readonly<Record<string, string>>): Promise<void> {
      const rows = Object.entries(facts).map(([name, value]) => ({ name, value }));
      db.insert(installation)
        .values(rows)
        .onConflictDoUpdate({ target: installation.name, set: { value: sql`excluded.value` } })
        .run();
    },
    /** Returns the stored value of `name`. If none is stored, stores the result of `value()` and returns it. */
    async keep(name: string, value: () => string): Promise<string> {
      const find = () => db.select().from(installation).where(eq(installation.name, name)).get()?.value;
      const found = find();
      if (found !== undefined) return found;
      db.insert(installation).values({ name, value: value() }).onConflictDoNothing().run();
      const kept = find();
      if (kept === undefined) throw new Error(`The database did not keep its ${name}`);
      return kept;
    },
  };
}
