import { expect, test } from 'bun:test';
import { ADMIN, form, memoryBackend, PEOPLE, type Person, startRouter, until } from '../support/router';
import { handClock, list, start, switchable, theRunner } from '../support/runners';

const backends = [memoryBackend('echo', { default_idle_seconds: 100 }), memoryBackend('plain')];
const limits = { DEFAULT_IDLE_SECONDS: '600', MIN_IDLE_SECONDS: '60', MAX_IDLE_SECONDS: '21600' };

async function setIdle(person: Person, value: unknown, backend = 'echo') {
  const body = { idle_seconds: value };
  const response = await person.request(`/api/runners/${backend}/idle`, { method: 'PUT', body });
  return { status: response.status, body: (await response.json()) as unknown };
}

test("the idle time is the user's for that backend, else the backend's, else the installation's", async () => {
  const clock = handClock();
  await using router = await startRouter({ backends, env: limits, now: clock.now });
  const alice = await router.person(PEOPLE.alice);
  const bob = await router.person(PEOPLE.bob);
  await setIdle(alice, 200);
  for (const [person, backend] of [
    [alice, 'echo'],
    [alice, 'plain'],
    [bob, 'echo'],
  ] as const) {
    await start(person, backend);
  }
  const running = async () => [
    ...(await list(alice)).map(({ backend }) => `alice ${backend}`),
    ...(await list(bob)).map(({ backend }) => `bob ${backend}`),
  ];
  const after = async (seconds: number) => {
    clock.advanceSeconds(seconds);
    await router.context.sweep();
    return (await running()).sort();
  };
  expect(await after(99)).toEqual(['alice echo', 'alice plain', 'bob echo']);
  expect(await after(1)).toEqual(['alice echo', 'alice plain']);
  expect(await after(99)).toEqual(['alice echo', 'alice plain']);
  expect(await after(1)).toEqual(['alice plain']);
  expect(await after(400)).toEqual([]);
  expect(await router.context.stores.runners.list()).toEqual([]);
});

test('an idle time of 0 means never', async () => {
  const clock = handClock();
  await using router = await startRouter({ backends, env: limits, now: clock.now });
  const alice = await router.person(PEOPLE.alice);
  await setIdle(alice, 0);
  await start(alice);
  clock.advanceSeconds(6 * 24 * 3600);
  await router.context.sweep();
  expect(await list(alice)).toMatchObject([{ idle_seconds: 0, stops_in_seconds: null, running: true }]);
});

test('the runner of a disabled user that could not be stopped is stopped when its platform answers', async () => {
  const clock = handClock();
  await using router = await startRouter({ backends, env: limits, now: clock.now });
  const admin = await router.person(ADMIN);
  const [alice, bob] = [await router.person(PEOPLE.alice), await router.person(PEOPLE.bob)];
  for (const person of [alice, bob]) {
    await setIdle(person, 0);
    await start(person);
  }
  router.platform.available = false;
  expect((await admin.request(`/admin/users/${alice.id}/disable`, form({}))).status).toBe(303);
  expect(router.platform.runners.size).toBe(2);
  router.platform.available = true;
  clock.advanceSeconds(2);
  await router.context.sweep();
  expect([...router.platform.runners.values()].map(({ spec }) => spec.labels['agent-stack.user'])).toEqual([bob.id]);
});

test('an idle time is kept within the limits, and 0 or less is never', async () => {
  await using router = await startRouter({ backends, env: limits });
  const alice = await router.person(PEOPLE.alice);
  for (const [asked, stored] of [
    [120, 120],
    [1, 60],
    [99_999_999, 21_600],
    [0, 0],
    [-5, 0],
  ]) {
    expect(await setIdle(alice, asked)).toEqual({ status: 200, body: { idle_seconds: stored } });
  }
  for (const wrong of [1.5, 'soon', null, true]) expect((await setIdle(alice, wrong)).status).toBe(422);
  expect((await setIdle(alice, 120, 'nope')).status).toBe(404);
});

test('an idle time that is set while the runner runs holds at once', async () => {
  const clock = handClock();
  await using router = await startRouter({ backends, env: limits, now: clock.now });
  const alice = await router.person(PEOPLE.alice);
  await start(alice);
  clock.advanceSeconds(70);
  await setIdle(alice, 60);
  expect(await list(alice)).toMatchObject([{ idle_for_seconds: 70, stops_in_seconds: 0 }]);
  await router.context.sweep();
  expect(await list(alice)).toEqual([]);
});

test('a runner that does not stop does not keep the others running', async () => {
  const clock = handClock();
  await using router = await startRouter({ backends, env: limits, now: clock.now });
  const alice = await router.person(PEOPLE.alice);
  await start(alice, 'echo');
  const stubborn = theRunner(router).spec.id;
  await start(alice, 'plain');
  const mend = router.platform.intercept('stop', ({ subject }) => {
    if (subject === stubborn) throw new Error('it does not want to');
  });
  clock.advanceSeconds(3600);
  await router.context.sweep();
  expect(await list(alice)).toMatchObject([{ backend: 'echo', state: 'unknown' }]);
  mend();
  await router.context.sweep();
  expect(await list(alice)).toEqual([]);
});

test('the runner of a backend that is no longer configured goes when its work is done', async () => {
  const clock = handClock();
  const answer = Promise.withResolvers<Response>();
  const script = switchable('removed', { answer: () => answer.promise });
  const removed = memoryBackend('removed', {}, script.name);
  await using router = await startRouter({ backends: [...backends, removed], env: limits, now: clock.now });
  const alice = await router.person(PEOPLE.alice);
  const body = { model: 'removed', messages: [{ role: 'user', content: 'work' }] };
  const asked = alice.request('/v1/chat/completions', { method: 'POST', body });
  await until(() => router.context.runners.running()[0]?.status.leases === 1, 'it works');
  await router.writeBackends(backends);
  await until(() => !router.context.backends.find('removed'), 'the backend is gone');
  clock.advanceSeconds(5);
  await router.context.sweep();
  expect(router.platform.runners.size).toBe(1);
  answer.resolve(Response.json({ done: true }));
  expect(await (await asked).json()).toEqual({ done: true });
  clock.advanceSeconds(5);
  await router.context.sweep();
  expect(router.platform.runners.size).toBe(0);
});
