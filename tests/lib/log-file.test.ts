/** The log in files of the router's own. */
import { afterAll, expect, test } from 'bun:test';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = await mkdtemp(join(tmpdir(), 'agent-stack-log-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Logs 2.5 MB in a process of its own, and then its last line. */
const PROGRAM = `
  const { logToFile, logRequest, processLog, setLogLevel } = await import('${join(import.meta.dir, '../../router/lib/log')}');
  setLogLevel('info');
  await logToFile({ path: '${folder}/router.log', megabytesMax: 1, kept: 2 });
  for (let n = 0; n < 25_000; n += 1) {
    processLog.info({ n, text: 'x'.repeat(30) }, 'line.written');
    // A file is begun between two turns of the event loop.
    if (n % 1_000 === 0) await new Promise(setImmediate);
  }
  logRequest({ n: 25_000, event: 'request.relayed' });`;

test('the log goes to a file to its last line, a new one is begun at the size, and the oldest are removed', async () => {
  const child = Bun.spawn([process.execPath, '--no-env-file', '-e', PROGRAM], { stdout: 'pipe', stderr: 'inherit' });
  expect(await new Response(child.stdout).text()).toBe('');
  expect(await child.exited).toBe(0);
  const names = (await readdir(folder)).sort();
  expect(names).toEqual([
    'current.log',
    expect.stringMatching(/^router\.\d\.log$/),
    expect.stringMatching(/^router\.\d\.log$/),
  ]);
  for (const name of names) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
  const lines = (await Promise.all(names.slice(1).map((name) => readFile(join(folder, name), 'utf8'))))
    .join('')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { n: number }).n);
  // No line is missing or cut.
  expect(lines).toEqual(Array.from(lines, (_, index) => 25_001 - lines.length + index));
});

test('a file that cannot be made is an error at once', async () => {
  const { logToFile } = await import('../../router/lib/log');
  const inTheWay = join(folder, 'current.log');
  expect(logToFile({ path: join(inTheWay, 'router.log'), megabytesMax: 1, kept: 1 })).rejects.toThrow(inTheWay);
});
