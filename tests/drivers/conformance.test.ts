/** The conformance suite itself: the drivers that it must refuse. */
import { afterAll, expect, test } from 'bun:test';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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

/** Ends the runners that the driver forgot: processes whose command line has the folder in it. */
async function endRunnersOf(path: string): Promise<void> {
  for (const pid of (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(`${path}/`)) process.kill(Number(pid), 'SIGKILL');
  }
}
