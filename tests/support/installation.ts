/** Who a router is to its platforms. */
import { Database } from 'bun:sqlite';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The installation's id, which labels its containers. Undefined before the first start of a router has written it. */
export function installationOf(dataRoot: string): string | undefined {
  const path = join(dataRoot, 'router.db');
  if (!existsSync(path)) return undefined;
  using database = new Database(path, { readonly: true });
  return database.query<{ value: string }, []>("SELECT value FROM installation WHERE name = 'id'").get()?.value;
}
