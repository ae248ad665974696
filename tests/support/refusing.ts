/** A database that refuses every write, as on a full disk. */
import { Database } from 'bun:sqlite';
import { join } from 'node:path';

/** Has the database of a router refuse until the returned lock is disposed of. */
export function refuse({ dataRoot }: { readonly dataRoot: string }): Disposable {
  const other = new Database(join(dataRoot, 'router.db'));
  other.run('BEGIN IMMEDIATE');
  return {
    [Symbol.dispose]() {
      other.run('ROLLBACK');
      other.close();
    },
  };
}
