import { expect, test } from 'bun:test';
import type { StartContext } from '../../drivers/driver';
import { memoryBackend, PEOPLE, type Person, startRouter, until } from '../support/router';
import { framesOf, type ProgressFrame, start, statusOf, stop, switchable, theRunner } from '../support/runners';

async function allFrames(person: Person, backend = 'echo'): Promise<ProgressFrame[]> {
  return Array.fromAsync(framesOf(person, backend));
}

/** Opens a progress stream; `frames` resolves when the router has ended it. */
async function watch(person: Person, backend = 'echo') {
  const frames: ProgressFrame[] = [];
  const first = Promise.withResolvers<void>();
  const ended = (async () => {
    for await (const frame of framesOf(person, backend)) {
      frames.push(frame);
      first.resolve();
    }
    return frames;
  })();
  await first.promise;
  return { frames, ended };
}

const percents = (frames: readonly ProgressFrame[]) => frames.map(({ progress }) => progress);
const isGrowing = (values: readonly number[]) => values.every((value, index) => value >= (values[index - 1] ?? 0));

test('the stages of a cold start come in order, only ever grow, and end with ready', async () => {
  const script = switchable('stages', { ready: false });
  const backend = memoryBackend('echo', { image: 'agents/echo' }, script.name);
  await using router = await startRouter({ backends: [backend] });
  const alice = await router.person(PEOPLE.alice);
  router.platform.intercept('prepare', ({ context }) => {
    for (const percent of [20, 80, 60]) context?.progress({ stage: 'pull', percent, message: `${percent} of 100` });
  });
  const { frames, ended } = await watch(alice);
  expect(frames).toMatchObject([{ stage: 'stopped', progress: 0, detail: { state: 'stopped' } }]);
  const starting = start(alice);
  await until(() => script.probes > 3, 'it is probed');
  script.ready = true;
  await starting;
  const all = await ended;
  expect([...new Set(all.map(({ stage }) => stage))]).toEqual([
    'stopped',
    'creating',
    'image_pull',
    'starting',
    'health_wait',
    'ready',
  ]);
  expect(isGrowing(percents(all))).toBe(true);
  expect(all.map(({ message }) => message)).toContain('80 of 100');
  expect(all.at(-1)).toMatchObject({ stage: 'ready', progress: 100, detail: { state: 'running' } });
});

test('who comes later gets the last state first', async () => {
  const script = switchable('later', { ready: false });
  await using router = await startRouter({ backends: [memoryBackend('echo', {}, script.name)] });
  const alice = await router.person(PEOPLE.alice);
  const starting = start(alice);
  await until(() => script.probes > 0, 'it is probed');
  const { frames, ended } = await watch(alice);
  expect(frames[0]).toMatchObject({ stage: 'health_wait', detail: { state: 'starting' } });
  script.ready = true;
  await starting;
  expect((await ended).at(-1)).toMatchObject({ stage: 'ready' });
  // After the end, a new stream has only the last frame.
  expect(await allFrames(alice)).toMatchObject([{ stage: 'ready', progress: 100 }]);
  await stop(alice);
  expect((await watch(alice)).frames).toMatchObject([{ stage: 'stopped', progress: 0 }]);
});

test('a start that fails ends every stream with an error, also those that come later', async () => {
  const script = switchable('dies', { ready: false });
  await using router = await startRouter({ backends: [memoryBackend('echo', {}, script.name)] });
  const alice = await router.person(PEOPLE.alice);
  const both = [await watch(alice), await watch(alice)];
  const starting = start(alice);
  await until(() => script.probes > 0, 'it is probed');
  script.runtime?.say('cannot open the socket');
  script.runtime?.exit(2);
  await starting;
  const error = {
    stage: 'error',
    progress: 100,
    message: 'echo could not start: it ended with exit code 2.',
    detail: { state: 'failed', hint: 'Its last output:\ncannot open the socket' },
  };
  for (const { ended } of both) {
    const frames = await ended;
    expect(frames.at(-1)).toMatchObject(error);
    expect(isGrowing(percents(frames))).toBe(true);
  }
  expect(await allFrames(alice)).toMatchObject([error]);
});

test('every other way to fail ends the stream with an error as well', async () => {
  const script = switchable('sleepy', { ready: false });
  const backends = [
    memoryBackend('needy', { user_overridable_env: ['LLM_API_KEY'] }),
    memoryBackend('late', { timeouts: { ready_seconds: 0.05 } }, script.name),
    memoryBackend('away'),
    memoryBackend('stopped', {}, script.name),
  ];
  await using router = await startRouter({ backends });
  const alice = await router.person(PEOPLE.alice);
  const endOf = async (backend: string, act: () => Promise<unknown>) => {
    const { ended } = await watch(alice, backend);
    await act();
    return (await ended).at(-1);
  };
  expect(await endOf('needy', () => start(alice, 'needy'))).toMatchObject({
    stage: 'error',
    message: 'needy needs LLM_API_KEY. Set it in Settings → Model.',
  });
  expect(await endOf('late', () => start(alice, 'late'))).toMatchObject({
    stage: 'error',
    message: expect.stringContaining('did not become ready'),
  });
  router.platform.available = false;
  expect(await endOf('away', () => start(alice, 'away'))).toMatchObject({
    stage: 'error',
    message: expect.stringContaining('does not answer'),
  });
  router.platform.available = true;
  const stopping = async () => {
    const before = script.probes;
    const starting = start(alice, 'stopped');
    await until(() => script.probes > before, 'it is probed');
    await stop(alice, 'stopped');
    await starting;
  };
  expect(await endOf('stopped', stopping)).toMatchObject({ stage: 'error', message: 'The start was stopped.' });
});

test('a start that begins after a failure is seen from its beginning', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  const mend = router.platform.fail('start', 'start_failed');
  await start(alice);
  mend();
  const release = router.platform.hold('start');
  const starting = start(alice);
  await until(async () => (await statusOf(router, alice)).state === 'starting', 'it starts');
  const { ended } = await watch(alice);
  release();
  await starting;
  expect((await ended).map(({ stage }) => stage)).not.toContain('error');
});

test('a driver that still reports after its start has failed changes nothing', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  let late: StartContext | undefined;
  router.platform.intercept('start', ({ context }) => {
    late = context;
  });
  router.platform.fail('start', 'no_capacity');
  await start(alice);
  late?.progress({ stage: 'start', message: 'Any moment now' });
  expect(await statusOf(router, alice)).toMatchObject({ state: 'failed', progress: { stage: 'error' } });
});

test('a stream that its reader leaves is forgotten', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  const reader = (await alice.request('/api/runners/echo/progress')).body?.getReader();
  await reader?.read();
  expect(router.context.streams.size).toBe(1);
  await reader?.cancel();
  expect(router.context.streams.size).toBe(0);
  await start(alice);
  expect(router.platform.runners.has(theRunner(router).spec.id)).toBe(true);
});

test("mallory sees nothing of the start of alice's runner", async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  const mallory = await router.person(PEOPLE.mallory);
  const { frames, ended } = await watch(mallory);
  const { ended: alices } = await watch(alice);
  await start(alice);
  await alices;
  expect(frames).toMatchObject([{ stage: 'stopped' }]);
  await start(mallory);
  const ids = new Set((await ended).map(({ detail }) => detail.agent_id));
  expect(ids).toEqual(new Set([(await router.context.stores.agents.list(mallory.id))[0]?.id ?? '']));
});
