/** The limits of runners, in total and per user, and which runner is stopped to make room. */
import { expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { handClock, list, problemOf, type Script, say, start, statusOf, stop, switchable } from '../support/runners';

const BACKENDS = ['echo', 'second', 'third'];

/** A router with these limits, three backends, and a clock that gives every runner a different idle time. */
async function withLimits(env: Record<string, string>) {
  const clock = handClock();
  const script = switchable('capacity');
  const backends = BACKENDS.map((name) => memoryBackend(name, {}, script.name));
  const router = await startRouter({ backends, env, now: clock.now });
  const [alice, bob, mallory] = [
    await router.person(PEOPLE.alice),
    await router.person(PEOPLE.bob),
    await router.person(PEOPLE.mallory),
  ];
  const startNext = async (person: Person, backend = 'echo') => {
    clock.advanceSeconds(1);
    return start(person, backend);
  };
  return { router, script, clock, alice, bob, mallory, startNext };
}

/** Answers that wait until they are released. */
function busy(script: Script) {
  const done = Promise.withResolvers<void>();
  script.answer = async () => {
    await done.promise;
    return Response.json({ content: 'done' });
  };
  return () => done.resolve();
}

const atWork = (router: TestRouter, person: Person, backend = 'echo') =>
  until(async () => {
    const { state, leases } = await statusOf(router, person, backend);
    return state === 'running' && leases === 1;
  }, 'it works');
const backendsOf = async (person: Person) => (await list(person)).map(({ backend }) => backend).sort();

test('with all runners there may be, the one that has been idle the longest makes room, whose ever it is', async () => {
  const { router, alice, bob, mallory, startNext, clock } = await withLimits({ MAX_RUNNERS: '2' });
  await using _ = router;
  await startNext(alice);
  await startNext(bob);
  clock.advanceSeconds(1);
  // Alice's runner is older, but Bob's has been idle longer.
  await say(alice, 'hello');
  expect((await startNext(mallory)).status).toBe(200);
  expect(await Promise.all([alice, bob, mallory].map(backendsOf))).toEqual([['echo'], [], ['echo']]);
  expect([router.platform.calls('stop'), router.platform.runners.size]).toEqual([1, 2]);
});

test('with room for one more nobody makes any', async () => {
  const { router, alice, bob, startNext } = await withLimits({ MAX_RUNNERS: '2', MAX_RUNNERS_PER_USER: '1' });
  await using _ = router;
  await startNext(alice);
  await startNext(bob);
  expect([router.platform.calls('stop'), router.platform.runners.size]).toEqual([0, 2]);
});

test('law 4: a runner at work makes no room: the start waits until one is idle', async () => {
  const { router, script, alice, bob } = await withLimits({ MAX_RUNNERS: '1' });
  await using _ = router;
  const finish = busy(script);
  const asked = say(alice, 'work');
  await atWork(router, alice);
  const waiting = start(bob);
  await until(async () => (await statusOf(router, bob)).progress.place === 1, 'it is queued');
  expect([router.platform.calls('stop'), router.platform.calls('start')]).toEqual([0, 1]);
  finish();
  expect(await (await asked).json()).toEqual({ content: 'done' });
  expect((await waiting).status).toBe(200);
  expect([await list(alice), (await list(bob)).length]).toEqual([[], 1]);
});

test('the end of a runner makes room, whoever ends it', async () => {
  const { router, script, alice, bob, mallory } = await withLimits({ MAX_RUNNERS: '1' });
  await using _ = router;
  busy(script);
  const lost = say(alice, 'work');
  await atWork(router, alice);
  const bobs = start(bob);
  await until(async () => (await statusOf(router, bob)).progress.place === 1, 'it is queued');
  router.platform.crash([...router.platform.runners.keys()][0] ?? '');
  expect((await lost).status).toBe(502);
  expect((await bobs).status).toBe(200);
  const stopped = say(bob, 'work');
  await atWork(router, bob);
  const mallorys = start(mallory);
  await until(async () => (await statusOf(router, mallory)).progress.place === 1, 'it is queued');
  expect(await stop(bob)).toBe(true);
  expect((await stopped).status).toBe(502);
  expect((await mallorys).status).toBe(200);
});

test('a runner that cannot be stopped makes no room, and the next one is stopped', async () => {
  const { router, alice, bob, mallory, startNext } = await withLimits({ MAX_RUNNERS: '2' });
  await using _ = router;
  await startNext(alice);
  await startNext(bob);
  const [alices] = router.platform.runners.keys();
  const mend = router.platform.intercept('stop', ({ subject }) => {
    if (subject === alices) throw new Error('it does not let go');
  });
  expect((await startNext(mallory)).status).toBe(200);
  expect(await list(alice)).toMatchObject([{ state: 'unknown' }]);
  expect([await backendsOf(bob), await backendsOf(mallory)]).toEqual([[], ['echo']]);
  mend();
});

test("with all runners one user may have, their own longest idle one makes room, and nobody else's", async () => {
  const { router, alice, bob, startNext } = await withLimits({ MAX_RUNNERS_PER_USER: '2' });
  await using _ = router;
  await startNext(bob);
  await startNext(alice, 'echo');
  await startNext(alice, 'second');
  expect((await startNext(alice, 'third')).status).toBe(200);
  expect(await backendsOf(alice)).toEqual(['second', 'third']);
  expect(await backendsOf(bob)).toEqual(['echo']);
});

test('with all of them at work there is a 429 at once, which says how many there are and what to do', async () => {
  const { router, script, alice, bob } = await withLimits({ MAX_RUNNERS_PER_USER: '2' });
  await using _ = router;
  const finish = busy(script);
  const asked = [say(alice, 'work'), say(alice, 'work', { model: 'second' })];
  await atWork(router, alice, 'echo');
  await atWork(router, alice, 'second');
  for (const more of [{}, { stream: true }]) {
    const refused = await say(alice, 'work', { model: 'third', ...more });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeWithin(5, 16);
    const { error } = (await refused.json()) as { error: object };
    expect(error).toEqual({
      message: expect.stringMatching(/^You have 2 runners busy or starting.* Stop one, .*MAX_RUNNERS_PER_USER/),
      type: 'rate_limit_error',
      param: null,
      code: 'too_many_runners',
    });
  }
  const onPage = await start(alice, 'third');
  expect([onPage.status, (await problemOf(onPage)).code]).toEqual([429, 'too_many_runners']);
  expect(await statusOf(router, alice, 'third')).toMatchObject({ state: 'stopped', leases: 0 });
  // Another user may start one, and so may she when one is done.
  expect((await start(bob, 'third')).status).toBe(200);
  finish();
  for (const response of asked) expect((await response).status).toBe(200);
  expect((await start(alice, 'third')).status).toBe(200);
  expect(await list(alice)).toHaveLength(2);
});

test('starts count as runners, so that parallel ones do not slip through together', async () => {
  const { router, alice } = await withLimits({ MAX_RUNNERS_PER_USER: '2' });
  await using _ = router;
  const release = router.platform.hold('start');
  const asked = BACKENDS.map((backend) => start(alice, backend));
  const refused = await Promise.race(asked);
  expect([refused.status, (await problemOf(refused)).code]).toEqual([429, 'too_many_runners']);
  release();
  const statuses = (await Promise.all(asked)).map(({ status }) => status);
  expect(statuses.sort()).toEqual([200, 200, 429]);
});

test('an agent that cannot start anyway makes nobody give up a runner', async () => {
  const needy = memoryBackend('needy', { user_overridable_env: ['LLM_API_KEY'] });
  await using router = await startRouter({ backends: [memoryBackend('echo'), needy], env: { MAX_RUNNERS: '1' } });
  const alice = await router.person(PEOPLE.alice);
  await start(alice);
  expect((await start(alice, 'needy')).status).toBe(422);
  expect([router.platform.calls('stop'), await backendsOf(alice)]).toEqual([0, ['echo']]);
});

test('a limit of 0 lets any number of runners start', async () => {
  const { router, alice, bob } = await withLimits({ MAX_RUNNERS: '0', MAX_RUNNERS_PER_USER: '0', MAX_STARTS: '0' });
  await using _ = router;
  const release = router.platform.hold('start');
  const asked = BACKENDS.flatMap((backend) => [start(alice, backend), start(bob, backend)]);
  await until(() => router.platform.calls('start') === 6, 'all start at once');
  release();
  for (const response of asked) expect((await response).status).toBe(200);
  expect(router.platform.runners.size).toBe(6);
});

test('law 1: a warm request is served while the queue is full', async () => {
  const { router, alice, bob } = await withLimits({ MAX_STARTS: '1' });
  await using _ = router;
  await start(alice);
  const release = router.platform.hold('start');
  const asked = [start(bob), start(bob, 'second')];
  // Either of the two may come first.
  const places = () =>
    Promise.all(['echo', 'second'].map(async (name) => (await statusOf(router, bob, name)).progress));
  await until(async () => (await places()).some(({ place }) => place === 1), 'one is queued');
  expect((await say(alice, 'still here')).status).toBe(200);
  release();
  for (const response of asked) expect((await response).status).toBe(200);
});
