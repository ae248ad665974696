/** The idle tier: a runner without work is paused before it is stopped, if the installation says so. */
import { expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { handClock, say, start, statusOf, stop, switchable, theRunner } from '../support/runners';

const TIER = { PAUSE_IDLE_SECONDS: '60', DEFAULT_IDLE_SECONDS: '600' };

/** A router with one program, and Alice, whose runner has just answered. */
async function withTier(name: string, env: Record<string, string> = TIER) {
  const clock = handClock();
  const script = switchable(name);
  const router = await startRouter({ backends: [memoryBackend('echo', {}, script.name)], env, now: clock.now });
  const alice = await router.person(PEOPLE.alice);
  await (await say(alice, 'Hello.')).text();
  const after = async (seconds: number) => {
    clock.advanceSeconds(seconds);
    await router.context.sweep();
    return (await statusOf(router, alice)).state;
  };
  return { router, script, alice, after };
}

test('an idle runner is paused, goes on in the same runner with the next message, and is stopped at its idle time', async () => {
  const { router, alice, after } = await withTier('tier');
  await using _ = router;
  const { spec } = theRunner(router);
  expect(await after(59)).toBe('running');
  expect(await after(1)).toBe('paused');
  expect((await say(alice, 'And now?')).status).toBe(200);
  expect(theRunner(router).spec.id).toBe(spec.id);
  expect([router.platform.calls('start'), router.platform.calls('resume')]).toEqual([1, 1]);
  expect(await after(60)).toBe('paused');
  expect(await after(539)).toBe('paused');
  expect(await after(1)).toBe('stopped');
  expect(router.platform.runners.size).toBe(0);
});

test('no runner is paused unless the installation says after which time', async () => {
  const { router, after } = await withTier('tier-off', {});
  await using _ = router;
  expect(await after(599)).toBe('running');
  expect(router.platform.calls('pause')).toBe(0);
});

test('law 4: a runner with a lease is never paused', async () => {
  const { router, script, alice, after } = await withTier('tier-busy');
  await using _ = router;
  const done = Promise.withResolvers<Response>();
  script.answer = () => done.promise;
  const answer = say(alice, 'Think.');
  await until(async () => (await statusOf(router, alice)).leases === 1, 'it works');
  expect(await after(3600)).toBe('running');
  expect(router.platform.calls('pause')).toBe(0);
  done.resolve(Response.json({}));
  expect((await answer).status).toBe(200);
});

test('law 1: many messages to a paused runner resume it once', async () => {
  const { router, alice, after } = await withTier('tier-many');
  await using _ = router;
  expect(await after(60)).toBe('paused');
  const answers = await Promise.all(Array.from({ length: 50 }, () => say(alice, 'Hello?')));
  expect(answers.every(({ status }) => status === 200)).toBeTrue();
  expect([router.platform.calls('start'), router.platform.calls('resume')]).toEqual([1, 1]);
});

test('law 5: a message that comes while the runner is being paused waits for it, and is answered', async () => {
  const { router, alice, after } = await withTier('tier-race');
  await using _ = router;
  const release = router.platform.hold('pause');
  const sweep = after(60);
  await until(() => router.platform.calls('pause') === 1, 'it is being paused');
  const answer = say(alice, 'Hello?');
  await until(async () => (await statusOf(router, alice)).leases === 1, 'it waits');
  release();
  await sweep;
  expect((await answer).status).toBe(200);
  expect(theRunner(router).health.state).toBe('running');
});

test('a platform that fails to pause keeps the runner, and the next message is answered', async () => {
  const { router, alice, after } = await withTier('tier-fails');
  await using _ = router;
  const heal = router.platform.fail('pause', 'unavailable');
  expect(await after(60)).toBe('unknown');
  heal();
  expect((await say(alice, 'Hello?')).status).toBe(200);
  expect(router.platform.calls('start')).toBe(1);
});

test('a start that needs room stops a paused runner', async () => {
  const { router, alice, after } = await withTier('tier-room', { ...TIER, MAX_RUNNERS: '1' });
  await using _ = router;
  const bob = await router.person(PEOPLE.bob);
  expect(await after(60)).toBe('paused');
  expect((await start(bob)).status).toBe(200);
  expect((await statusOf(router, alice)).state).toBe('stopped');
});

test('law 2: a paused runner is adopted after a restart, and the next message resumes it', async () => {
  const { router, after } = await withTier('tier-restart');
  const backends = [memoryBackend('echo', {}, 'tier-restart')];
  expect(await after(60)).toBe('paused');
  await router.stop();
  // At the same address: runners are told it, and one that was told another is stale.
  const env = { ...TIER, ROUTER_PORT: new URL(router.internalUrl).port };
  await using next = await startRouter({ backends, env, dataRoot: router.dataRoot });
  const alice = await next.person(PEOPLE.alice);
  expect((await statusOf(next, alice)).state).toBe('paused');
  expect((await say(alice, 'Hello?')).status).toBe(200);
  expect(next.platform.calls('start')).toBe(1);
  expect(await stop(alice)).toBeTrue();
});
