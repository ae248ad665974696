/** How much of a runner's output an error contains, and how long a health check may take. */
import { expect, test } from 'bun:test';
import { DriverError } from '../../drivers/driver';
import { memoryBackend, PEOPLE, program, startRouter, until } from '../support/router';
import { problemOf, say, start, switchable, theRunner } from '../support/runners';
import { Reading } from '../support/scripted-runner';

/** An error has its message twice (`message`, `detail`). With the whole output it would have hundreds of thousands of code units. */
const CHARS_MAX = 16_000;

for (const [what, lines] of [
  ['many lines', Array.from({ length: 20 }, (_, n) => `${n} `.repeat(20_000))],
  ['one line of 900 KB', ['x'.repeat(900_000)]],
  ['a character of two code units at the cut', [`${'😀'.repeat(100_000)}.`]],
] as const) {
  test(`the last output in an error is bounded, of a start and of an answer (${what})`, async () => {
    program('last-words', (_, runtime) => {
      for (const line of lines) runtime.say(line);
      runtime.exit(3);
      return () => new Response();
    });
    const script = switchable('last-words-later');
    const backends = [memoryBackend('echo', {}, 'last-words'), memoryBackend('later', {}, script.name)];
    await using router = await startRouter({ backends });
    const alice = await router.person(PEOPLE.alice);
    const failed = await start(alice);
    const text = await failed.text();
    expect(failed.status).toBe(502);
    expect(text.length).toBeLessThan(CHARS_MAX);
    expect(text).toContain(JSON.stringify(lines.at(-1)?.trim().slice(-51) ?? '').slice(1, -1));
    expect(text.isWellFormed()).toBe(true);

    expect((await say(alice, 'hello', { model: 'later' })).status).toBe(200);
    script.answer = () => {
      for (const line of lines) script.runtime?.say(line);
      script.runtime?.exit(3);
      return new Promise(() => {});
    };
    const answer = await say(alice, 'hello', { model: 'later', stream: true });
    expect((await new Reading(answer).end()).length).toBeLessThan(CHARS_MAX);
  });
}

test('a key in the last output is taken out before it is cut', async () => {
  let key = '';
  program('last-key', (spec, runtime) => {
    key = Object.values(spec.env).find((value) => value.startsWith('ak-')) ?? '';
    // A cut here would split the key.
    runtime.say(`${key}${'y'.repeat(3_980)}`);
    runtime.exit(3);
    return () => new Response();
  });
  await using router = await startRouter({ backends: [memoryBackend('echo', {}, 'last-key')] });
  const text = await (await start(await router.person(PEOPLE.alice))).text();
  expect(key).not.toBe('');
  expect(text).not.toContain(key.slice(-8));
});

test('a driver’s message and hint are bounded as well', async () => {
  await using router = await startRouter();
  router.platform.intercept('start', () => {
    const long = 'z'.repeat(500_000);
    throw new DriverError('memory', 'start_failed', `no luck ${long}`, { cause: 0, hint: `look ${long}` });
  });
  const response = await start(await router.person(PEOPLE.alice));
  const text = await response.text();
  expect(text).toContain('echo could not start: no luck z');
  expect(text).toContain('look z');
  expect(text.length).toBeLessThan(2 * CHARS_MAX);
});

/** Its health check takes this long. */
function slow(name: string, ms: number): string {
  return program(name, () => async () => {
    await Bun.sleep(ms);
    return new Response('ok');
  });
}

test('a health check may take 2.5 s, and a backend says how long', async () => {
  const backends = [
    memoryBackend('echo', {}, slow('slow-health', 2_500)),
    memoryBackend('strict', { timeouts: { health_seconds: 0.2, ready_seconds: 2 } }, slow('slower-health', 60_000)),
  ];
  await using router = await startRouter({ backends });
  const alice = await router.person(PEOPLE.alice);
  const [fine, refused] = await Promise.all([start(alice), start(alice, 'strict')]);
  expect(fine.status).toBe(200);
  expect((await problemOf(refused)).detail).toContain('did not become ready within 2 s (/healthz: no answer)');
  await until(() => theRunner(router), 'the other one has gone');
}, 60_000);
