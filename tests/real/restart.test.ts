/** The router ends, by crash or by signal, while an answer is being written, and starts again. */
import { expect, setDefaultTimeout, test } from 'bun:test';
import { startRouterProcess } from '../support/process';
import { until } from '../support/router';
import { backendsThatWait, holdStarts } from '../support/starts';
import { newestAnswer, sendMessage, startConversation, watchAnswer } from './chat';

/** Only ends a failed test: processes start slowly on a busy machine. */
setDefaultTimeout(60_000);

/** A message that the demo agent answers with 200 numbered words, one every 150 ms. */
const NUMBERED = `slow ${Array.from({ length: 200 }, (_, index) => `w${index + 1}`).join(' ')}`;
const newestWord = (text: string) => Number(/w(\d+)$/.exec(text)?.[1] ?? 0);

test('law 17: after kill -9 the answer so far is there, marked interrupted, and the same runner goes on', async () => {
  await using router = await startRouterProcess();
  const alice = await router.signIn();
  const path = await startConversation(alice, 'Demo', NUMBERED);

  const seen: { readonly word: number; readonly atMs: number }[] = [];
  for await (const text of watchAnswer(alice, path)) {
    seen.push({ word: newestWord(text), atMs: performance.now() });
    // For longer than the second that may be lost, also where many words came at once.
    const [first] = seen;
    if (newestWord(text) >= 14 && first && first.atMs < performance.now() - 1_500) break;
  }
  const [before] = await router.runners();
  const killedAtMs = performance.now();
  await router.kill('SIGKILL');
  await router.start();

  const answer = await newestAnswer(alice, path);
  expect(answer.status).toBe('failed');
  expect(answer.html).toContain('interrupted');
  expect(NUMBERED).toContain(` ${answer.text} `);
  // At most the last second of text may be missing.
  const due = Math.max(...seen.filter(({ atMs }) => atMs <= killedAtMs - 1000).map(({ word }) => word));
  expect(due).toBeGreaterThan(0);
  expect(newestWord(answer.text ?? '')).toBeGreaterThanOrEqual(due);

  await sendMessage(alice, path, 'echo and on we go');
  const next = await until(async () => {
    const shown = await newestAnswer(alice, path);
    return shown.status !== 'streaming' && shown;
  }, 'the next answer ends');
  expect(next).toMatchObject({ status: 'done', text: 'and on we go' });
  const after = await router.runners();
  expect(after.map(({ leader }) => leader)).toEqual([before?.leader]);
});

test('law 2: SIGTERM ends open streams and the process, saves the answer so far and leaves the runner', async () => {
  await using router = await startRouterProcess();
  const alice = await router.signIn();
  const path = await startConversation(alice, 'Demo', NUMBERED);
  const watched = watchAnswer(alice, path);
  const first = await watched.next();
  const [before] = await router.runners();

  // Another page is open, and reads nothing.
  const idle = await alice.request('/live');
  expect(await router.kill('SIGTERM')).toBe(0);
  expect(router.output()).toContain('"router.stopped"');
  await Array.fromAsync(watched);
  await idle.body?.cancel();
  expect((await router.runners()).map(({ leader }) => leader)).toEqual([before?.leader]);

  await router.start();
  const answer = await newestAnswer(alice, path);
  expect(answer.status).toBe('failed');
  expect(answer.html).toContain('interrupted');
  expect(answer.text).toStartWith(String(first.value));
  await alice.request('/api/runners/demo', { method: 'DELETE' });
  expect(await router.runners()).toEqual([]);
});

for (const [what, isReady] of [
  ['is ready by then is taken over by the next router and not started twice', true],
  ['is not ready then is ended by the next router, and there is one again', false],
] as const)
  test(`law 2: a runner whose start a crash cut off and that ${what}`, async () => {
    await using starts = await holdStarts();
    await starts.hold();
    // The next router asks once whether it is ready.
    const patient = { timeouts: { health_seconds: 60 } };
    const backends = (await backendsThatWait(starts)).map((entry) => ({ ...entry, ...patient }));
    await using router = await startRouterProcess({ backends });
    const alice = await router.signIn();
    const path = await startConversation(alice, 'Demo', 'echo hello');
    const { mark, leader } = await until(
      async () => (await router.runners()).find((one) => one.leader),
      'the runner is being started',
    );
    await router.kill('SIGKILL');
    if (isReady) {
      await starts.release();
      const url = `http://${mark.host}:${mark.port}/healthz`;
      await until(async () => (await fetch(url).catch(() => undefined))?.ok, 'the runner is ready');
    }
    await router.start();
    await starts.release();

    await sendMessage(alice, path, 'echo hello again');
    const answer = await until(async () => {
      const shown = await newestAnswer(alice, path);
      return shown.status !== 'streaming' && shown;
    }, 'the answer ends');
    expect(answer).toMatchObject({ status: 'done', text: 'hello again' });
    const after = await router.runners();
    expect(after).toHaveLength(1);
    expect(after[0]?.leader?.pid === leader?.pid).toBe(isReady);
  });
