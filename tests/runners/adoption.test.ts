import { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { repositoryRoot } from '../../router/config/root';
import { memoryBackend, PEOPLE, startRouter, type TestRouter, until } from '../support/router';
import { handClock, list, problemOf, type Script, say, start, switchable, theRunner } from '../support/runners';

const demo = {
  name: 'demo',
  driver: 'process',
  trusted: true,
  cmd: [process.execPath, join(repositoryRoot, 'backends/demo/main.ts')],
};
const owned = (router: TestRouter) => router.context.drivers.get('process').list(AbortSignal.timeout(5_000));

/** A router that ran one runner of Alice and was stopped: the state that a restart finds. */
async function earlierLife(
  script: Script,
  change: (router: TestRouter, id: string) => Promise<unknown> = async () => 0,
) {
  const backends = [memoryBackend('echo', {}, script.name)];
  const router = await startRouter({ backends });
  await start(await router.person(PEOPLE.alice));
  const { spec, url } = theRunner(router);
  await change(router, spec.id);
  await router.stop();
  return { platform: router.platform, runnerId: spec.id, url, again: { backends, dataRoot: router.dataRoot } };
}

test('law 2: a runner is taken back with its address and key', async () => {
  const first = await startRouter({ backends: [demo] });
  await start(await first.person(PEOPLE.alice), 'demo');
  const [before] = await list(await first.person(PEOPLE.alice));
  await first.stop();
  // At the same address: runners are told it, and one that was told another is stale and ends with its last lease.
  const env = { ROUTER_PORT: new URL(first.internalUrl).port };
  await using router = await startRouter({ backends: [demo], env, dataRoot: first.dataRoot });
  const alice = await router.person(PEOPLE.alice);
  const [after] = await list(alice);
  expect(after).toMatchObject({ running: true, host_port: before?.host_port ?? 0 });
  expect(after?.container_name).toBe(before?.container_name ?? '');
  // The demo agent refuses every key but its own.
  expect((await say(alice, 'still you?', { model: 'demo' })).status).toBe(200);
  expect(await owned(router)).toHaveLength(1);
});

test('law 2: a runner that is taken back is not reaped at once, however long ago it worked', async () => {
  const clock = handClock();
  const first = await startRouter({ now: clock.now });
  await start(await first.person(PEOPLE.alice));
  await first.stop();
  clock.advanceSeconds(24 * 3600);
  await using router = await startRouter({ now: clock.now, dataRoot: first.dataRoot });
  const alice = await router.person(PEOPLE.alice);
  await router.context.sweep();
  expect(await list(alice)).toMatchObject([{ running: true, idle_for_seconds: 0 }]);
  clock.advanceSeconds(600);
  await router.context.sweep();
  expect(await list(alice)).toEqual([]);
});

test('law 2: a runner that had been ready and is too busy to say so now is taken back', async () => {
  const script = switchable('busy');
  const { again, runnerId } = await earlierLife(script);
  script.ready = false;
  await using router = await startRouter(again);
  expect(theRunner(router).spec.id).toBe(runnerId);
  expect(await list(await router.person(PEOPLE.alice))).toMatchObject([{ running: true }]);
});

/** Another user's runner at an address, which accepts only its own key. */
const strangerAt = (url: string) =>
  Bun.serve({
    hostname: '127.0.0.1',
    port: Number(new URL(url).port),
    fetch: () => Response.json({ error: { message: 'a wrong key' } }, { status: 401 }),
  });

test('law 2: a runner whose address belongs to another runner by now, or to none, is not adopted', async () => {
  for (const isTaken of [true, false]) {
    const script = switchable('another-address');
    const { again, platform, runnerId, url } = await earlierLife(script);
    await platform.runners.get(runnerId)?.close();
    const stranger = isTaken ? strangerAt(url) : undefined;
    await using router = await startRouter(again);
    const alice = await router.person(PEOPLE.alice);
    expect(await list(alice)).toEqual([]);
    expect((await say(alice, 'hello')).status).toBe(200);
    expect(theRunner(router).spec.id).not.toBe(runnerId);
    await stranger?.stop(true);
  }
});

test('law 2: nor is it while its driver is silent', async () => {
  const { again, platform, runnerId, url } = await earlierLife(switchable('another-address-silent'));
  await platform.runners.get(runnerId)?.close();
  const stranger = strangerAt(url);
  platform.available = false;
  await using router = await startRouter(again);
  const alice = await router.person(PEOPLE.alice);
  expect(await list(alice)).toEqual([]);
  expect((await say(alice, 'hello')).status).toBe(503);
  platform.available = true;
  await router.context.adopt();
  expect((await say(alice, 'hello')).status).toBe(200);
  await stranger.stop(true);
});

test('law 2: after a crash between start call and handle the runner is found by its label', async () => {
  const script = switchable('no-handle');
  const { again, url } = await earlierLife(script, ({ context }, id) =>
    context.stores.runners.update(id, { state: 'starting', handle: null, url: null }),
  );
  await using router = await startRouter(again);
  const alice = await router.person(PEOPLE.alice);
  expect(await list(alice)).toMatchObject([{ running: true, host_port: Number(new URL(url).port) }]);
  expect((await say(alice, 'hello')).status).toBe(200);
  expect(router.platform.calls('start')).toBe(1);
});

test('law 2: a runner whose start was cut off and that is not ready is stopped', async () => {
  const script = switchable('cut-off');
  const { again } = await earlierLife(script, ({ context }, id) =>
    context.stores.runners.update(id, { state: 'starting' }),
  );
  script.ready = false;
  await using router = await startRouter(again);
  expect(router.platform.runners.size).toBe(0);
  expect(await router.context.stores.runners.list()).toEqual([]);
});

test('law 2: after a crash between intent and start call the intent goes, and the next message starts', async () => {
  const script = switchable('intent-only');
  const { again, platform, runnerId } = await earlierLife(script);
  platform.vanish(runnerId);
  await using router = await startRouter(again);
  expect(await router.context.stores.runners.list()).toEqual([]);
  expect((await say(await router.person(PEOPLE.alice), 'hello')).status).toBe(200);
});

test("law 2: a stray of ours is stopped, another installation's runner is not touched", async () => {
  await using other = await startRouter({ backends: [demo] });
  await start(await other.person(PEOPLE.bob), 'demo');
  const first = await startRouter({ backends: [demo] });
  await start(await first.person(PEOPLE.alice), 'demo');
  expect(await owned(first)).toHaveLength(1);
  const [row] = await first.context.stores.runners.list();
  await first.context.stores.runners.delete(row?.id ?? '');
  await first.stop();
  await using router = await startRouter({ backends: [demo], dataRoot: first.dataRoot });
  expect(await owned(router)).toEqual([]);
  expect(await owned(other)).toMatchObject([{ health: { state: 'running' } }]);
});

test('law 2: the runner of a backend that is gone from backends.json is stopped', async () => {
  const { again } = await earlierLife(switchable('gone-backend'));
  await using router = await startRouter({ ...again, backends: [memoryBackend('another')] });
  expect(router.platform.runners.size).toBe(0);
  expect(await router.context.stores.runners.list()).toEqual([]);
});

test('a driver that is silent at boot leaves its runners unknown, and they can be talked to', async () => {
  const { again, platform, runnerId } = await earlierLife(switchable('silent-boot'));
  platform.available = false;
  await using router = await startRouter(again);
  const alice = await router.person(PEOPLE.alice);
  expect(await list(alice)).toMatchObject([{ state: 'unknown', running: false }]);
  expect((await say(alice, 'are you there?')).status).toBe(200);
  await router.context.adopt();
  expect(await router.context.stores.runners.list()).toMatchObject([{ id: runnerId }]);
  platform.available = true;
  await router.context.adopt();
  expect(await list(alice)).toMatchObject([{ state: 'running', running: true }]);
  expect(platform.calls('start')).toBe(1);
});

test('a runner that went while its driver was silent is known to be gone when the driver is back', async () => {
  const { again, platform, runnerId } = await earlierLife(switchable('gone-silently'));
  platform.available = false;
  await using router = await startRouter(again);
  const alice = await router.person(PEOPLE.alice);
  platform.vanish(runnerId);
  platform.available = true;
  await router.context.adopt();
  expect(await list(alice)).toEqual([]);
  expect(await router.context.stores.runners.list()).toEqual([]);
  expect((await say(alice, 'hello')).status).toBe(200);
});

test('a platform whose runners could not be compared with the database is looked at again', async () => {
  const { again, platform } = await earlierLife(switchable('database-fault'));
  platform.available = false;
  await using router = await startRouter(again);
  const alice = await router.person(PEOPLE.alice);
  platform.available = true;
  {
    using database = new Database(join(router.dataRoot, 'router.db'));
    database.run('ALTER TABLE runners RENAME TO runners_away');
    await router.context.adopt();
    database.run('ALTER TABLE runners_away RENAME TO runners');
  }
  await router.context.adopt();
  expect(await list(alice)).toMatchObject([{ state: 'running' }]);
});

test('a start that is under way when its driver is heard at last is left alone', async () => {
  const script = switchable('under-way', { ready: false });
  const { again, platform } = await earlierLife(switchable('under-way-before'), async ({ context }) => {
    const [running] = context.runners.running();
    await context.runners.stop(running?.agent.id ?? '', 'test');
  });
  platform.available = false;
  await using router = await startRouter({ ...again, backends: [memoryBackend('echo', {}, script.name)] });
  platform.available = true;
  const alice = await router.person(PEOPLE.alice);
  const starting = start(alice);
  await until(() => script.probes > 0, 'the runner is there');
  await router.context.adopt();
  expect(router.platform.runners.size).toBe(1);
  script.ready = true;
  expect((await starting).status).toBe(200);
});

test('a start that a shutdown meets is ended and leaves nothing', async () => {
  const script = switchable('shut-down', { ready: false });
  const backends = [memoryBackend('echo', {}, script.name)];
  const first = await startRouter({ backends });
  const starting = start(await first.person(PEOPLE.alice));
  await until(() => script.probes > 0, 'the runner is there');
  await first.stop();
  expect((await problemOf(await starting)).code).toBe('shutting_down');
  expect(first.platform.runners.size).toBe(0);
  await using router = await startRouter({ backends, dataRoot: first.dataRoot });
  expect(await router.context.stores.runners.list()).toEqual([]);
});
