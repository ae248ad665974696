/**
 * Makes the images of the real runtimes, runs their tests, and writes the results and the versions into
 * `docs/runtimes.md`.
 *
 *     bun run test:runtimes [name …]                  # all, or some: openclaw hermes-agent nanobot
 *     bun run test:runtimes --pin nanobot=0.3.6       # raises a version first; a failed test takes it back
 *     bun run test:runtimes --images                  # only makes the images
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { requireEngine } from '../../support/engine';
import { raisePin, versionsOf } from './pins';
import { DOCS, tableWith } from './table';

const ROOT = join(import.meta.dir, '../../..');
const NAMES = ['openclaw', 'hermes-agent', 'nanobot'];
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { pin: { type: 'string' }, images: { type: 'boolean' } },
});

if (!(await requireEngine('the real runtimes'))) process.exit(1);
const [pinned, version] = values.pin?.split('=') ?? [];
const names = pinned !== undefined ? [pinned] : positionals.length > 0 ? positionals : NAMES;
const unknown = names.filter((name) => !NAMES.includes(name));
if (unknown.length > 0 || (pinned !== undefined && !version)) {
  console.error(`Runtimes are ${NAMES.join(', ')}; a pin is written as nanobot=0.3.6.`);
  process.exit(1);
}
const lower = pinned !== undefined && version ? await raisePin(pinned, version) : undefined;
const isGood = await run(names).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  return false;
});
if (!isGood && lower) {
  await lower();
  console.error(`${pinned} stays at its version: see the failures above.`);
}
process.exit(isGood ? 0 : 1);

/** Returns whether all tests passed. */
async function run(names: readonly string[]): Promise<boolean> {
  // Imported now, because a raised version names another image.
  const [{ realRuntime }, { ensureImage }] = await Promise.all([import('./runtimes'), import('./image')]);
  const runtimes = names.map(realRuntime);
  // Together: most of the time is spent on waiting for servers.
  await Promise.all(
    runtimes.map(async ({ recipe }) => {
      const beganMs = performance.now();
      const image = await ensureImage(recipe);
      console.log(`${image} (${Math.round((performance.now() - beganMs) / 1000)} s)`);
    }),
  );
  if (values.images) return true;
  let isGood = true;
  for (const { name } of runtimes) {
    const report = await test(name.replace('-agent', ''));
    isGood &&= report.isGood;
    // The page is about the versions that are pinned.
    if (pinned !== undefined && !report.isGood) continue;
    await writeFile(DOCS, tableWith(await readFile(DOCS, 'utf8'), name, versionsOf(name), report.xml));
  }
  return isGood;
}

async function test(file: string): Promise<{ readonly isGood: boolean; readonly xml: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-stack-runtimes-'));
  try {
    const report = join(folder, 'report.xml');
    const flags = ['--reporter=junit', `--reporter-outfile=${report}`];
    const command = [process.execPath, 'test', ...flags, `./tests/real/${file}.test.ts`];
    const code = await Bun.spawn(command, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] }).exited;
    if (!existsSync(report)) throw new Error(`tests/real/${file}.test.ts wrote no report: see its output above.`);
    return { isGood: code === 0, xml: await readFile(report, 'utf8') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
