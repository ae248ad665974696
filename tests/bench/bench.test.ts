/** The bench's own instruments: its arithmetic, its scripted runner and its stream driver. */

import { describe, expect, test } from 'bun:test';
import { freePort } from '../support/ports';
import { nowUs } from './clock';
import { readOptions } from './options';
import { OTHER_CPU, Server } from './processes';
import { cell } from './report';
import { median, percentile, Results, slope } from './results';
import { RUNNER_COMMAND } from './router';
import type { Bench } from './scenario';
import { browser } from './scenarios/browser';
import { chatBody, MARK, readMark, scriptOf, writeMark } from './script';
import { runStreams } from './streams';
import { DIRECT, FLOOR, ROUTER } from './subjects';

describe('the arithmetic', () => {
  test('a median ignores missing measurements, and is NaN without any', () => {
    expect(median([3, Number.NaN, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  test('a percentile is one of the values', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([percentile(values, 0.5), percentile(values, 0.99), percentile([7], 0.99)]).toEqual([50, 99, 7]);
    expect(percentile([], 0.5)).toBeNaN();
  });

  test('a slope is the growth per step', () => {
    expect(slope([5, 7, 9, 11])).toBeCloseTo(2);
    expect(slope([5, 5, 5])).toBe(0);
  });

  test('the cost and the ratio of a proxy are computed round by round', () => {
    const results = new Results();
    const at = (subject: string) => ({ table: 't', load: '1', subject });
    for (const [direct, floor, router] of [
      [1, 2, 4],
      [2, 4, 10],
    ] as const) {
      results.add(at(DIRECT), { ms: direct });
      results.add(at(FLOOR), { ms: floor });
      results.add(at(ROUTER), { ms: router });
    }
    expect(results.added(at(ROUTER), 'ms')).toEqual([3, 8]);
    expect(results.ratio(at(ROUTER), 'ms', FLOOR)).toEqual([2, 2.5]);
    expect(results.places('t').map(({ subject }) => subject)).toEqual([DIRECT, FLOOR, ROUTER]);
  });

  test('a round in which something failed is compared with nothing', () => {
    const results = new Results();
    const at = (subject: string) => ({ table: 't', load: '1', subject });
    for (const failures of [0, 3]) {
      results.add(at(FLOOR), { ms: 2, failures });
      results.add(at(ROUTER), { ms: 4, failures: 0 });
    }
    expect(results.ratio(at(ROUTER), 'ms', FLOOR)).toEqual([2, Number.NaN]);
    expect(results.ratio(at(FLOOR), 'ms', ROUTER)).toEqual([0.5, Number.NaN]);
  });

  test('a cell shows the median, its spread where there is one, and a dash for nothing', () => {
    expect(cell([1234.5], 0)).toBe('1,235');
    expect(cell([1, 3, 2], 1)).toBe('2.0 (1.0–3.0)');
    expect(cell([Number.NaN], 1)).toBe('–');
  });
});

test('a whole run writes the page, and a part of one does not', () => {
  expect(readOptions([], ['a']).reportPath).toBe('docs/performance.md');
  expect(readOptions(['--only', 'a'], ['a']).reportPath).toBeUndefined();
  expect(readOptions(['--quick'], ['a'])).toEqual({ isQuick: true, rounds: 1, withLitellm: false, only: [] });
  expect(() => readOptions(['--only', 'b'], ['a'])).toThrow('There is no scenario b. There are: a.');
  expect(() => readOptions(['--rounds', '0'], ['a'])).toThrow('--rounds');
});

test('without a Chromium, pages in a browser are not measured, and the reason is told', async () => {
  const path = process.env.CHROMIUM_PATH;
  const said: string[] = [];
  try {
    process.env.CHROMIUM_PATH = '/nowhere/chromium';
    await browser.run({ say: (text: string) => said.push(text) } as unknown as Bench);
  } finally {
    if (path === undefined) delete process.env.CHROMIUM_PATH;
    else process.env.CHROMIUM_PATH = path;
  }
  expect(said).toEqual(['browser: skipped, because there is no Chromium here; CHROMIUM_PATH names one']);
});

test('a script survives its way through a body, and a time mark its way through a chunk', () => {
  const script = { chunks: 3, paceMs: 20, chunkBytes: 200 };
  expect(scriptOf(chatBody(script))).toEqual(script);
  const agents = { ...script, viaBroker: true, text: 'table' } as const;
  expect(scriptOf(chatBody(agents))).toEqual(agents);
  expect(scriptOf(chatBody())).toBeUndefined();
  const chunk = Buffer.from(`${String.fromCharCode(MARK)}000000000000000 `);
  writeMark(chunk, 0, 12_345_678_901.9);
  expect(readMark(chunk, 0)).toBe(12_345_678_901);
});

describe('the scripted runner', () => {
  const port = freePort();
  const runner = () =>
    new Server({
      name: 'runner',
      command: RUNNER_COMMAND,
      env: { PORT: String(port), BENCH_PID: String(process.pid) },
      cpu: OTHER_CPU,
      port,
      healthPath: '/v1/models',
    });
  const ask = (body: string) => fetch(`http://127.0.0.1:${port}/v1/chat/completions`, { method: 'POST', body });

  test('it sends as many chunks as it was asked for, each with a time that has passed, and [DONE]', async () => {
    await using server = runner();
    await server.start();
    expect(await (await ask(chatBody())).json()).toMatchObject({ object: 'chat.completion' });
    const begunUs = nowUs();
    const text = await (await ask(chatBody({ chunks: 500, paceMs: 0, chunkBytes: 250 }))).text();
    const events = text.split('\n\n').filter((event) => event.includes('#'));
    expect(events).toHaveLength(500);
    expect(events.every((event) => `${event}\n\n`.length === 250)).toBe(true);
    const times = events.map((event) => readMark(Buffer.from(event), event.indexOf('#')));
    // Marks are whole microseconds, and two processes read the clock to within a few.
    expect(Math.min(...times)).toBeGreaterThan(begunUs - 1_000);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(text).toEndWith('data: [DONE]\n\n');
  });

  test('it knows who left in the middle, and a stream larger than every buffer arrives whole', async () => {
    await using server = runner();
    await server.start();
    const response = await ask(chatBody({ chunks: 10_000, paceMs: 20, chunkBytes: 200 }));
    await response.body?.cancel();
    const stats = async () => (await fetch(`http://127.0.0.1:${port}/bench/stats`)).json();
    while ((await stats()).open > 0) await Bun.sleep(5);
    expect(await stats()).toMatchObject({ open: 0, aborted: 1 });
    const large = await ask(chatBody({ chunks: 400, paceMs: 0, chunkBytes: 65_536 }));
    expect((await large.bytes()).length).toBeGreaterThan(400 * 65_536);
  });

  test('the stream driver counts every chunk, and every stream that does not come', async () => {
    const subject = { name: DIRECT, port, headers: {}, isPeer: false };
    const load = { streams: 4, script: { chunks: 5, paceMs: 5, chunkBytes: 200 }, warmUpMs: 0, windowMs: 100 };
    expect((await runStreams(subject, load)).failures).toBe(4);
    await using server = runner();
    await server.start();
    const result = await runStreams(subject, load);
    expect(result.failures).toBe(0);
    expect(result.chunks).toBeGreaterThan(0);
    expect(result.delayP50Ms).toBeGreaterThan(0);
  });
});
