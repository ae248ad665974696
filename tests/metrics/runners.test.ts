/** Metrics of runners: starts, states, the causes of ends, and callbacks. */
import { expect, test } from 'bun:test';
import { callBack } from '../support/callbacks';
import { count, counted, scrape } from '../support/metrics';
import { memoryBackend, PEOPLE, type Person, startRouter, until } from '../support/router';
import { handClock, list, start, statusOf, stop, switchable, theRunner } from '../support/runners';
import { scriptedRunner } from '../support/scripted-runner';

const backend = 'echo';

test('a start is counted with its duration, a second one waits in the queue, and runners are counted by state', async () => {
  await using router = await startRouter({ env: { MAX_STARTS: '1' } });
  const [alice, bob] = [await router.person(PEOPLE.alice), await router.person(PEOPLE.bob)];
  const letThrough = router.platform.hold('start');
  const both = [start(alice), start(bob)];
  await until(async () => (await count(router, 'queued_starts')) === 1, 'one waits for its turn');
  expect(await count(router, 'runners', { backend, state: 'starting' })).toBe(2);
  letThrough();
  for (const one of both) expect((await one).status).toBe(200);
  const { value } = await scrape(router);
  expect(value('agent_stack_queued_starts')).toBe(0);
  expect(value('agent_stack_runners', { backend, state: 'running' })).toBe(2);
  expect(value('agent_stack_runner_starts_total', { backend, outcome: 'ok', code: '' })).toBe(2);
  expect(value('agent_stack_runner_start_duration_seconds_count', { backend })).toBe(2);
  const stage = (name: string) =>
    value('agent_stack_runner_start_stage_duration_seconds_count', { backend, stage: name });
  // The program of this backend does not exist.
  expect(['queued', 'creating', 'image_pull', 'starting', 'health_wait'].map(stage)).toEqual([1, 2, 0, 2, 2]);
});

test('fetching an image is a separate stage, and a start that a user stops has not failed', async () => {
  await using router = await startRouter({ backends: [memoryBackend(backend, { image: 'agent:1' })] });
  const alice = await router.person(PEOPLE.alice);
  const fetched = router.platform.hold('prepare');
  const asked = start(alice);
  await until(async () => (await statusOf(router, alice)).progress.stage === 'image_pull', 'it is fetched');
  expect(await stop(alice)).toBe(true);
  fetched();
  expect((await asked).status).toBe(409);
  expect(await count(router, 'runner_starts_total', { backend, outcome: 'stopped', code: 'conflict' })).toBe(1);
  const stage = { backend, stage: 'image_pull' };
  expect(await count(router, 'runner_start_stage_duration_seconds_count', stage)).toBe(0);
  expect((await start(alice)).status).toBe(200);
  expect(await count(router, 'runner_start_stage_duration_seconds_count', stage)).toBe(1);
});

test('runners that end are counted by cause', async () => {
  const clock = handClock();
  const backends = [memoryBackend(backend, { user_overridable_env: ['LLM_MODEL'], credentials: 'inject' })];
  await using router = await startRouter({ backends, now: clock.now, env: { MAX_RUNNERS: '1' } });
  const [alice, bob] = [await router.person(PEOPLE.alice), await router.person(PEOPLE.bob)];
  const set = (who: Person, value: string) =>
    who.request('/api/me/env-overrides/LLM_MODEL', { method: 'PUT', body: { value } });
  for (const who of [alice, bob]) expect((await set(who, 'one')).status).toBe(200);
  const ended = (cause: string) => counted(router, 'runner_stops_total', { backend, cause }, 1);
  const begin = async (who: Person) => expect((await start(who)).status).toBe(200);

  await begin(alice);
  await stop(alice);
  await ended('asked');
  await begin(alice);
  clock.advanceSeconds(3600);
  await router.context.sweep();
  await ended('idle');
  await begin(alice);
  await begin(bob);
  await ended('room');
  await set(bob, 'two');
  await ended('stale');
  await begin(alice);
  router.platform.crash(theRunner(router).spec.id, { exitCode: 3 });
  await ended('exited');
  await begin(alice);
  router.platform.crash(theRunner(router).spec.id, { exitCode: 137, outOfMemory: true });
  await ended('out_of_memory');
  await begin(alice);
  router.platform.vanish(theRunner(router).spec.id);
  await router.context.sweep();
  await ended('vanished');
  expect(await list(alice)).toEqual([]);
});

test('a runner that is taken back after a restart is counted once, also when its platform was silent at first', async () => {
  const script = switchable('metrics-adopted');
  const backends = [memoryBackend(backend, {}, script.name)];
  const first = await startRouter({ backends });
  await start(await first.person(PEOPLE.alice));
  expect(await count(first, 'adopted_runners_total', { backend })).toBe(0);
  await first.stop();
  first.platform.available = false;
  await using router = await startRouter({ backends, dataRoot: first.dataRoot });
  expect(await count(router, 'adopted_runners_total', { backend })).toBe(1);
  expect(await count(router, 'runners', { backend, state: 'unknown' })).toBe(1);
  expect(await count(router, 'driver_up', { driver: 'memory' })).toBe(0);
  router.platform.available = true;
  await router.context.adopt();
  await router.context.platforms.check(new AbortController().signal);
  expect(await count(router, 'runners', { backend, state: 'running' })).toBe(1);
  expect(await count(router, 'driver_up', { driver: 'memory' })).toBe(1);
  expect(await count(router, 'adopted_runners_total', { backend })).toBe(1);
});

test('callbacks are counted by what was done with them, and only those of a runner that proves whose it is', async () => {
  const runner = scriptedRunner('metrics-callbacks');
  await using router = await startRouter({ backends: [memoryBackend(backend, {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  expect((await start(alice)).status).toBe(200);
  const [spec] = runner.specs;
  if (!spec) throw new Error('premise: the runner was started');
  const of = (outcome: string, code = '') => count(router, 'callbacks_total', { backend, outcome, code });
  expect([await of('stored'), await of('refused', 'conflict')]).toEqual([0, 0]);
  expect((await callBack(spec, { content: 'Nobody has written to me.' })).status).toBe(409);
  await alice.request('/api/conversations', { method: 'POST', body: { backend } });
  for (const content of ['Done.', 'Done again.']) {
    expect((await callBack(spec, { content, event_id: 'one' })).status).toBe(200);
  }
  expect((await callBack(spec, { kind: 'build.progress', payload: { percent: 50 } })).status).toBe(200);
  expect((await callBack(spec, 'no JSON')).status).toBe(400);
  expect((await callBack(spec, { content: 'x'.repeat(40_000) })).status).toBe(413);
  expect((await callBack(spec, { content: 'Hi.' }, { token: 'wrong' })).status).toBe(403);
  for (let sent = 6; sent < 30; sent += 1) await callBack(spec, { role: 'user' });
  expect((await callBack(spec, { content: 'Too many.' })).status).toBe(429);
  expect([await of('stored'), await of('repeated'), await of('passed_on')]).toEqual([1, 1, 1]);
  const { families } = await scrape(router);
  const refused = families
    .find(({ name }) => name === 'agent_stack_callbacks_total')
    ?.series.filter(({ labels, value }) => labels.outcome === 'refused' && value > 0)
    .map(({ labels, value }) => [labels.code, value]);
  expect(Object.fromEntries(refused ?? [])).toEqual({
    ...{ conflict: 1, invalid_request: 25, too_large: 1, too_many_requests: 1 },
  });
});
