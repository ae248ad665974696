import { expect, test } from 'bun:test';
import type { Agent } from '../../router/agents/store';
import { ADMIN, form, memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { handClock, list, problemOf, say, start, statusOf, stop, switchable, theRunner } from '../support/runners';

test('law 5: a message that comes while its runner is being reaped gets an answer from a new one', async () => {
  const clock = handClock();
  await using router = await startRouter({ now: clock.now });
  const alice = await router.person(PEOPLE.alice);
  await start(alice);
  const reaped = theRunner(router).spec.id;
  clock.advanceSeconds(3600);
  const release = router.platform.hold('stop');
  const sweeping = router.context.sweep();
  await until(() => router.platform.calls('stop') === 1, 'it is being stopped');
  expect(await statusOf(router, alice)).toMatchObject({ state: 'stopping' });
  const answer = say(alice, 'just in time');
  // No step of the new runner begins before the old one is gone.
  expect(router.platform.calls('start')).toBe(1);
  release();
  await sweeping;
  expect(await (await answer).text()).toContain('just in time');
  expect(theRunner(router).spec.id).not.toBe(reaped);
});

test('law 5: a message that comes just before the reaper keeps its runner', async () => {
  const clock = handClock();
  const answer = Promise.withResolvers<Response>();
  const script = switchable('boundary', { answer: () => answer.promise });
  await using router = await startRouter({ backends: [memoryBackend('echo', {}, script.name)], now: clock.now });
  const alice = await router.person(PEOPLE.alice);
  await start(alice);
  clock.advanceSeconds(3600);
  const asked = say(alice, 'hello');
  await until(async () => (await statusOf(router, alice)).leases === 1, 'the message has its lease');
  await router.context.sweep();
  answer.resolve(Response.json({ content: 'here' }));
  expect(await (await asked).json()).toEqual({ content: 'here' });
  expect(router.platform.calls('stop')).toBe(0);
});

test('law 5: a stop ends a start, and the waiting requests get an error', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  router.platform.hold('start');
  const starting = start(alice);
  await until(() => router.platform.calls('start') === 1, 'the start hangs');
  expect(await stop(alice)).toBe(true);
  const response = await starting;
  expect([response.status, (await problemOf(response)).detail]).toEqual([409, 'The start was stopped.']);
  expect(await statusOf(router, alice)).toMatchObject({ state: 'stopped', leases: 0 });
  expect(router.platform.runners.size).toBe(0);
  expect(await router.context.stores.runners.list()).toEqual([]);
});

test('law 5: a stop while the runner becomes ready takes the runner away', async () => {
  const script = switchable('stopped-waking', { ready: false });
  await using router = await startRouter({ backends: [memoryBackend('echo', {}, script.name)] });
  const alice = await router.person(PEOPLE.alice);
  const starting = start(alice);
  await until(() => script.probes > 0, 'it waits to be ready');
  expect(await stop(alice)).toBe(true);
  expect((await starting).status).toBe(409);
  expect(router.platform.runners.size).toBe(0);
});

test('law 5: a message right after the stop of a start gets a new start', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  const release = router.platform.hold('start');
  const starting = start(alice);
  await until(() => router.platform.calls('start') === 1, 'the start hangs');
  const { agents, runners } = router.context;
  const [agent] = await agents.list(alice.id);
  // Not through HTTP, where the message could overtake the stop.
  const stopping = runners.stop(agent?.id ?? '', 'asked');
  const answer = say(alice, 'I changed my mind');
  release();
  expect((await starting).status).toBe(409);
  expect(await stopping).toBe(true);
  expect(await (await answer).text()).toContain('I changed my mind');
  expect(router.platform.runners.size).toBe(1);
});

test('law 5: a message that comes during a reset gets a runner that the router knows, with the new home', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  await start(alice);
  const { id } = (await router.context.agents.list(alice.id))[0] ?? { id: '' };
  const release = router.platform.hold('stop');
  const reset = alice.request(`/api/agents/${id}/reset`, { method: 'POST' });
  await until(() => router.platform.calls('stop') === 1, 'its runner is being stopped');
  const answer = say(alice, 'in the middle');
  await until(async () => (await statusOf(router, alice)).leases === 1, 'the message waits');
  release();
  expect((await reset).status).toBe(204);
  expect(await (await answer).text()).toContain('in the middle');
  expect(await list(alice)).toMatchObject([{ agent_id: id, state: 'running' }]);
  // The same runner answers again, and can be stopped.
  expect((await say(alice, 'again')).status).toBe(200);
  expect(router.platform.calls('start')).toBe(2);
  expect(await stop(alice)).toBe(true);
  expect(router.platform.runners.size).toBe(0);
});

test('law 5: a reset forgets why the last start failed', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  const heal = router.platform.fail('start', 'start_failed');
  expect((await start(alice)).status).toBe(502);
  expect(await statusOf(router, alice)).toMatchObject({ state: 'failed' });
  heal();
  const { id } = (await router.context.agents.list(alice.id))[0] ?? { id: '' };
  expect((await alice.request(`/api/agents/${id}/reset`, { method: 'POST' })).status).toBe(204);
  expect(await statusOf(router, alice)).toMatchObject({ state: 'stopped' });
  // Without the back-off.
  expect((await say(alice, 'hello')).status).toBe(200);
});

test('no runner of a disabled user starts, also for a request that was let in before', async () => {
  await using router = await startRouter();
  const admin = await router.person(ADMIN);
  const alice = await router.person(PEOPLE.alice);
  await router.context.agents.ensureDefaults(alice.id);
  const agents = await router.context.agents.list(alice.id);
  expect((await admin.request(`/admin/users/${alice.id}/disable`, form({}))).status).toBe(303);
  // As a request does that was identified before.
  const leased = router.context.runners.lease(agents[0] as Agent, { signal: AbortSignal.timeout(30_000) });
  expect(await Promise.resolve(leased).catch(({ code }) => code)).toBe('forbidden');
  expect(router.platform.calls('start')).toBe(0);
  expect(await statusOf(router, alice)).toMatchObject({ state: 'stopped' });
});

test('law 5: stopping what does not run is no error', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  expect(await stop(alice)).toBe(false);
  await start(alice);
  // One of the two stopped it, whichever came first.
  expect((await Promise.all([stop(alice), stop(alice)])).sort()).toEqual([false, true]);
});

test('law 5: a runner that has vanished is replaced within the request', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  await start(alice);
  const { runners } = router.platform;
  const gone = theRunner(router);
  router.platform.vanish(gone.spec.id);
  expect(await (await say(alice, 'anyone?')).text()).toContain('anyone?');
  expect(theRunner(router).spec.id).not.toBe(gone.spec.id);
  expect([...runners.keys()]).toHaveLength(1);
});

test('law 5: a vanished runner is stopped, not failed', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  await start(alice);
  router.platform.vanish(theRunner(router).spec.id);
  await until(async () => (await statusOf(router, alice)).state === 'stopped', 'it is known');
  expect(await list(alice)).toEqual([]);
  expect(await router.context.stores.runners.list()).toEqual([]);
});

test('law 5: a runner that crashes is shown as failed with its reason, and the next message starts another', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  await start(alice);
  const { spec } = theRunner(router);
  router.platform.say(spec.id, `heap exhausted, key ${spec.env.OPENAI_API_KEY}`);
  router.platform.crash(spec.id, { outOfMemory: true });
  const failed = await until(async () => {
    const status = await statusOf(router, alice);
    return status.state === 'failed' && status;
  }, 'the crash is known');
  expect(failed.failure).toMatchObject({
    message: 'The agent stopped: it ran out of memory.',
    hint: expect.stringMatching(
      /^Send the message again .*"limits\.memory".*\nIts last output:\nheap exhausted, key \[key\]$/,
    ),
  });
  expect(await router.context.stores.runners.list()).toEqual([]);
  expect((await say(alice, 'again')).status).toBe(200);
  expect(await statusOf(router, alice)).toMatchObject({ state: 'running' });
});

test('law 5: a runner that a user stops in the middle of a request is not started again for it', async () => {
  const script = switchable('stopped-at-work', { answer: () => new Promise(() => {}) });
  await using router = await startRouter({ backends: [memoryBackend('echo', {}, script.name)] });
  const alice = await router.person(PEOPLE.alice);
  const asked = say(alice, 'work');
  await until(
    async () => (await statusOf(router, alice)).leases === 1 && router.platform.runners.size === 1,
    'it works',
  );
  await until(async () => (await statusOf(router, alice)).state === 'running', 'it is ready');
  expect(await stop(alice)).toBe(true);
  const response = await asked;
  expect(response.status).toBe(502);
  expect(await response.text()).toContain('The agent was stopped before its answer was complete.');
  expect(router.platform.calls('start')).toBe(1);
});

test('law 5: a runner that cannot be stopped is unknown, not gone, until its platform answers', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  await start(alice);
  router.platform.available = false;
  const refused = await alice.request('/api/runners/echo', { method: 'DELETE' });
  expect([refused.status, (await problemOf(refused)).code]).toEqual([503, 'driver_unavailable']);
  expect(await list(alice)).toMatchObject([{ state: 'unknown', running: false }]);
  // No part of a message needs the platform.
  expect((await say(alice, 'still here')).status).toBe(200);
  router.platform.available = true;
  await router.context.sweep();
  expect(await list(alice)).toMatchObject([{ state: 'running', running: true }]);
  expect(await stop(alice)).toBe(true);
});
