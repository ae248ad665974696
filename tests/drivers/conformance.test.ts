/** The conformance suite itself: the drivers that it must refuse. */
import { afterAll, expect, test } from 'bun:test';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBench } from '../../drivers/conformance/bench';
import type { DriverPlugin } from '../../drivers/driver';
import paper from '../support/drivers/paper';

const SUITE = join(import.meta.dir, '../../drivers/conformance');
const FORGETFUL = join(import.meta.dir, '../support/forgetful-driver.ts');
const folder = await mkdtemp(join(tmpdir(), 'agent-stack-suite-'));
afterAll(async () => {
  await endRunnersOf(folder);
  await rm(folder, { recursive: true, force: true });
});

test('a driver that remembers its runners in a variable is refused: another process does not find them', async () => {
  const file = join(folder, 'forgetful.test.ts');
  await Bun.write(
    file,
    `import { conformDriver } from ${JSON.stringify(SUITE)};
    import plugin from ${JSON.stringify(FORGETFUL)};
    await conformDriver({ plugin, file: ${JSON.stringify(FORGETFUL)}, available: () => true });`,
  );
  const command = [
    process.execPath,
    'test',
    file,
    '--test-name-pattern',
    'driver law 6: a runner whose router was killed',
  ];
  // Its runners lie below this folder, by which they are found again.
  const suite = Bun.spawn(command, { cwd: folder, env: { ...process.env, TMPDIR: folder }, stderr: 'pipe' });
  const output = await new Response(suite.stderr).text();
  expect(await suite.exited).not.toBe(0);
  expect(output).toContain('(fail) driver forgetful conforms > driver law 6: a runner whose router was killed');
}, 60_000);

const benchOf = (plugin: DriverPlugin, options = {}, disposeMs?: number) =>
  createBench({ plugin, file: 'not needed', options, available: () => true }, disposeMs);

test('a driver gets its options as the router gives them: checked, and with the defaults of their schema', async () => {
  const bench = await benchOf(paper);
  await bench.create();
  expect(bench.events).toMatchObject([{ event: 'paper.created', fields: { url: 'http://127.0.0.1:9' } }]);
  await bench.dispose();
  const refused = benchOf(paper, { url: 'ftp://nowhere', speed: 3 });
  await expect(refused).rejects.toThrow(/^The router refuses this driver: .*options\/speed: .*options\/url: /);
});

test('a plugin that the router refuses fails the suite in the same words', async () => {
  const plugin = paper;
  await expect(benchOf({ ...plugin, name: 'Paper!' })).rejects.toThrow('default export/name: expected lower-case');
  const bench = await benchOf({ ...plugin, create: async () => ({ name: 'paper' }) as never });
  await expect(bench.create()).rejects.toThrow('the driver that create returned/stop: expected function');
});

test('a driver that cannot be let go fails the suite in words, and does not keep it waiting', async () => {
  const plugin: DriverPlugin = {
    ...paper,
    create: async (_, services) => ({
      ...(await paper.create({ url: '' }, services)),
      [Symbol.asyncDispose]: () => new Promise(() => {}),
    }),
  };
  const bench = await benchOf(plugin, {}, 1);
  await bench.create();
  await expect(bench.dispose()).rejects.toThrow('asyncDispose did not end within 0.001 s');
});

/** Ends the runners that the driver forgot: processes whose command line has the folder in it. */
async function endRunnersOf(path: string): Promise<void> {
  for (const pid of (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(`${path}/`)) process.kill(Number(pid), 'SIGKILL');
  }
}
