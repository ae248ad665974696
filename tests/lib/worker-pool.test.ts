/** Threads for work that may take too long. The tests write their scripts. */
import { afterAll, expect, test } from 'bun:test';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WorkerPool } from '../../router/lib/worker-pool';
import { until } from '../support/router';

const folder = await mkdtemp(join(tmpdir(), 'agent-stack-threads-'));
afterAll(() => rm(folder, { recursive: true }));

type Job = 'echo' | 'for ever' | 'nothing' | `echo ${string}`;

async function pool(options: { deadlineMs?: number; waitingMax?: number; idleMs?: number; script?: string } = {}) {
  const { deadlineMs = 10_000, waitingMax = 10, script, ...more } = options;
  const file = join(folder, `${Bun.randomUUIDv7()}.ts`);
  await writeFile(
    file,
    script ??
      `self.onmessage = ({ data }) => {
        while (data === 'for ever');
        postMessage(data === 'nothing' ? undefined : data);
      };
      postMessage('ready');`,
  );
  return new WorkerPool<Job, string>({ file, threadsMax: 2, deadlineMs, waitingMax, ...more });
}

const soon = () => performance.now() + 60_000;

test('a piece that misses its deadline is given up, and the next one has a thread', async () => {
  using threads = await pool({ deadlineMs: 300 });
  expect(await threads.run('alice', 'for ever', soon())).toBe('slow');
  // On a busy machine a short piece of work may also miss its deadline.
  await until(async () => (await threads.run('alice', 'echo', soon())) !== 'slow', 'another piece is done');
});

test('a thread without work ends, and the next piece has another', async () => {
  const begun = join(folder, 'begun');
  using threads = await pool({
    idleMs: 1,
    script: `require('node:fs').appendFileSync(${JSON.stringify(begun)}, 'x');
      self.onmessage = ({ data }) => postMessage(data);
      postMessage('ready');`,
  });
  const starts = async () => (await readFile(begun, 'utf8')).length;
  expect(await threads.run('alice', 'echo', soon())).not.toBe('busy');
  await until(async () => {
    await threads.run('alice', 'echo', soon());
    return (await starts()) > 1;
  }, 'another thread has begun');
});

test('the input of one user delays no other user', async () => {
  using threads = await pool();
  const ends = Array.from({ length: 5 }, () => threads.run('mallory', 'for ever', soon()));
  expect(await threads.run('alice', 'echo', soon())).toEqual({ result: 'echo' });
  threads[Symbol.dispose]();
  expect(await Promise.all(ends)).toEqual(Array.from({ length: 5 }, () => 'busy'));
});

test('pieces of one user are done in their order', async () => {
  using threads = await pool();
  const order: unknown[] = [];
  const jobs: Job[] = ['echo 1', 'echo 2', 'echo 3'];
  await Promise.all(jobs.map((job) => threads.run('alice', job, soon()).then((outcome) => order.push(outcome))));
  expect(order).toEqual(jobs.map((result) => ({ result })));
});

test('more pieces than may wait are refused at once, and so are those whose time is over when their turn comes', async () => {
  using threads = await pool({ waitingMax: 2 });
  const waiting = [threads.run('alice', 'echo', soon()), threads.run('alice', 'echo', performance.now() - 1)];
  expect(await threads.run('alice', 'echo', soon())).toBe('busy');
  expect(await Promise.all(waiting)).toEqual([{ result: 'echo' }, 'busy']);
});

test('a piece that its worker cannot do is as one that takes too long', async () => {
  using threads = await pool();
  expect(await threads.run('alice', 'nothing', soon())).toBe('slow');
});

test('a worker that throws costs the piece it worked on, and no other', async () => {
  using threads = await pool({
    script: `self.onmessage = ({ data }) => {
        if (data === 'for ever') throw new Error('not foreseen');
        postMessage(data);
      };
      postMessage('ready');`,
  });
  expect(await threads.run('alice', 'for ever', soon())).toBe('slow');
  expect(await threads.run('alice', 'echo', soon())).toEqual({ result: 'echo' });
});

test('where the script is broken nobody waits', async () => {
  using threads = await pool({ script: 'throw new Error("broken");' });
  await threads.ready();
  expect(await threads.run('alice', 'echo', soon())).toBe('busy');
});

test('work that ends with the pool does not wait without end', async () => {
  const threads = await pool();
  const outcome = threads.run('alice', 'for ever', soon());
  await threads.ready();
  threads[Symbol.dispose]();
  expect(await outcome).toBe('busy');
  expect(await threads.run('alice', 'echo', soon())).toBe('busy');
});
