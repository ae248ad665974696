import { afterAll, expect, test } from 'bun:test';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { conformDriver } from '../../drivers/conformance';

const root = join(import.meta.dir, '../..');
const readme = await Bun.file(join(root, 'drivers/README.md')).text();
const contract = await Bun.file(join(root, 'drivers/driver.ts')).text();

/** Inside `node_modules`, where the sample's npm imports resolve and no other tool looks. */
async function extractSample(): Promise<string> {
  const sample = /```ts\n(import [\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const cache = join(root, 'node_modules/.cache');
  await mkdir(cache, { recursive: true });
  const directory = await mkdtemp(join(cache, 'drivers-readme-'));
  await Bun.write(join(directory, 'index.ts'), sample.replace("'../driver'", `'${join(root, 'drivers/driver')}'`));
  return directory;
}

const directory = await extractSample();
const { default: plugin } = await import(join(directory, 'index.ts'));
const isLinux = process.platform === 'linux' || 'its platform is the process table of Linux';
// `bun` by its name, as in backends.json.
const command = (home: string) => ['bun', join(home, 'runner.ts')];
await conformDriver({ plugin, file: join(directory, 'index.ts'), command, available: () => isLinux });
afterAll(() => rm(directory, { recursive: true, force: true }));

test('the table of members names every member of the contract, and says which must be there', () => {
  const body = /export interface Driver<[^{]*\{([\s\S]*?)\n\}/.exec(contract)?.[1] ?? '';
  const members = [...body.matchAll(/^ {2}(?:\[Symbol\.)?(\w+)\]?(\??)\(/gm)].map(([, name, optional]) => [
    name,
    optional === '' ? 'yes' : '',
  ]);
  const rows = [...readme.matchAll(/^\| `(\w+)` *\| (yes)? *\|/gm)].map(([, name, must = '']) => [name, must]);
  expect(members.length).toBeGreaterThan(8);
  expect(rows).toEqual(expect.arrayContaining(members));
  expect(rows).toHaveLength(members.length);
});

test('the laws are numbered as the conformance suite names them', async () => {
  const suite = await Bun.file(join(root, 'drivers/conformance/cases.ts')).text();
  const tested = new Set([...suite.matchAll(/'driver law (\d+): /g)].map(([, number]) => Number(number)));
  const written = [...readme.matchAll(/^(\d+)\. /gm)].map(([, number]) => Number(number));
  expect([...tested].toSorted((a, b) => a - b)).toEqual(written);
});
