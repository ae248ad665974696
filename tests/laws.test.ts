/**
 * The laws of the design: what must hold whatever else changes. A test that shows one begins its name with `law N: `.
 * `docs/laws.md` lists them with a test file each.
 */
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { repositoryRoot } from '../router/config/root';

const LAWS: Readonly<Record<number, string>> = {
  1: 'One start at a time per agent, and no lock shared between agents',
  2: 'Intent is written before the driver is called, and adoption gives a grace period',
  3: 'Image pull, start and readiness are three clocks, and an exit ends them at once',
  4: 'A runner with an open lease is never reaped',
  5: "One agent's transitions are serial, and a vanished runner is a normal one",
  6: 'Platform names come from ids, and nothing is removed before its labels prove it ours',
  7: 'Homes are keyed by id, and no link inside one is followed',
  8: 'Bytes go through untouched and at once, with bounded memory for a slow client',
  9: 'A client that leaves ends the answer, or leaves it to go on and be saved',
  10: 'A runner lost in the middle is an error event and [DONE], and the lease is released',
  11: 'A stream that waits for a runner gets comments with progress, between events only',
  12: 'Headers are an allow-list both ways, and dot segments are refused',
  13: 'No backend is named in control flow: quirks are data',
  14: 'An upstream key is in no runner, home, log or answer, and in no file in clear',
  15: 'Base URL and key always have the same owner',
  16: 'A change of credentials counts from the next call on, and restarts nothing',
  17: 'An answer is in the database whatever the client does, and says so when it was interrupted',
  18: 'Messages have one strict order, and paging neither skips nor repeats',
  19: 'A generation ends in exactly one of done, stopped and failed',
  20: 'Sessions and keys can be revoked, which ends their streams',
  21: 'An unsafe request proves its origin, the policy is self only, and a foreign Host is refused',
  22: 'Only the broker and the relay make outgoing requests',
};

const read = (path: string): Promise<string> => Bun.file(join(repositoryRoot, path)).text();

/** Number of a law → the test files that name it. */
async function filesByLaw(): Promise<Map<number, string[]>> {
  const found = new Map<number, string[]>();
  const files = new Bun.Glob('tests/**/*.{test,spec}.{ts,tsx}').scanSync({ cwd: repositoryRoot });
  for (const file of [...files].sort()) {
    const numbers = (await read(file)).matchAll(/['"`]law (\d+): /g);
    for (const law of new Set([...numbers].map(([, number]) => Number(number)))) {
      found.set(law, [...(found.get(law) ?? []), file]);
    }
  }
  return found;
}

test('every law is shown by a test that names it, and no test names another', async () => {
  const named = await filesByLaw();
  const missing = Object.entries(LAWS).filter(([law]) => !named.has(Number(law)));
  expect(missing).toEqual([]);
  expect([...named.keys()].filter((law) => !(law in LAWS))).toEqual([]);
});

test('docs/laws.md lists every law with a file that shows it', async () => {
  const named = await filesByLaw();
  const rows = [...(await read('docs/laws.md')).matchAll(/^\| (\d+) \| (.+) \| \[.+\]\(\.\.\/(.+)\) \|$/gm)];
  expect(rows.map(([, law, title]) => [law, title])).toEqual(Object.entries(LAWS));
  const stale = rows.filter(([, law, , file = '']) => !named.get(Number(law))?.includes(file));
  expect(stale.map(([row]) => row)).toEqual([]);
});
