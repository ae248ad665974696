/** An address belongs to one life of a runner: afterwards another runner may listen there, or nothing. */
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { repositoryRoot } from '../../router/config/root';
import { memoryBackend, PEOPLE, startRouter, type TestRouter, until } from '../support/router';
import { handClock, list, say, switchable, theRunner } from '../support/runners';
import { completion, scriptedRunner } from '../support/scripted-runner';

/**
 * Alice's runner no longer listens, and another user's runner has its address.
 * @param told `asked` resolves when message number `count` (from 1) may be refused; `probed` is called at each probe;
 * `refused` returns the answer to a message.
 */
async function takeOver(
  router: TestRouter,
  status: number,
  told: { asked(count: number): Promise<void>; probed(): void; refused?(): Response } = {
    asked: async () => {},
    probed() {},
  },
) {
  const entry = theRunner(router);
  await entry.close();
  const asked: string[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: Number(new URL(entry.url).port),
    async fetch(request) {
      if (request.method === 'POST') await told.asked(asked.push(await request.text()));
      else told.probed();
      if (request.method === 'POST' && told.refused) return told.refused();
      return Response.json({ error: { message: 'a wrong key', type: 'invalid_request_error' } }, { status });
    },
  });
  return { asked, [Symbol.dispose]: () => void server.stop(true) };
}

/** No open connection is reused: a request on it might have arrived. */
async function connectionsEnd(): Promise<void> {
  const endsAtMs = Date.now() + 2;
  await until(() => Date.now() > endsAtMs, 'its connections have rested');
}

for (const status of [401, 403]) {
  for (const stream of [true, false]) {
    test(`a message to an address that is another runner's by now (${status}, stream: ${stream}) is answered by a new runner`, async () => {
      const runner = scriptedRunner(`address-${status}-${stream}`);
      await using router = await startRouter({ backends: [memoryBackend('echo', {}, runner.program)] });
      const alice = await router.person(PEOPLE.alice);
      expect((await say(alice, 'hello')).status).toBe(200);
      const before = theRunner(router).spec.id;
      using stranger = await takeOver(router, status);
      await connectionsEnd();
      const answer = await say(alice, 'are you there?', { stream });
      expect(answer.status).toBe(200);
      await answer.text();
      expect(theRunner(router).spec.id).not.toBe(before);
      expect(runner.specs).toHaveLength(2);
      // The other runner has seen the message at most once, and no further message.
      const seen = stranger.asked.length;
      expect((await say(alice, 'and now?')).status).toBe(200);
      expect(stranger.asked).toHaveLength(seen);
    });
  }
}

test('ten messages at once to such an address make one new runner', async () => {
  const runner = scriptedRunner('address-many');
  await using router = await startRouter({ backends: [memoryBackend('echo', {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  expect((await say(alice, 'hello')).status).toBe(200);
  using _ = await takeOver(router, 401);
  await connectionsEnd();
  const answers = await Promise.all(Array.from({ length: 10 }, (_each, n) => say(alice, `number ${n}`)));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect(runner.specs).toHaveLength(2);
});

test('a message that is refused at such an address waits for the others that are about to be refused there', async () => {
  const runner = scriptedRunner('address-others');
  await using router = await startRouter({ backends: [memoryBackend('echo', {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  expect((await say(alice, 'hello')).status).toBe(200);
  const agentId = router.context.runners.running()[0]?.agent.id ?? '';
  const [both, probed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const taken = {
    probed: probed.resolve,
    // Both have arrived when the first one is refused; the other is refused after the first was looked into, which the end
    // of what follows in the queue of the agent says.
    async asked(count: number) {
      if (count === 1) return both.promise;
      both.resolve();
      await probed.promise;
      await router.context.runners.reap(agentId, () => false);
    },
  };
  using stranger = await takeOver(router, 401, taken);
  await connectionsEnd();
  const answers = await Promise.all([say(alice, 'one'), say(alice, 'other')]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  expect([stranger.asked.length, runner.specs.length]).toEqual([2, 2]);
});

test('ten messages at once to a runner that does not listen make one new runner', async () => {
  const runner = scriptedRunner('address-deaf');
  await using router = await startRouter({ backends: [memoryBackend('echo', {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  expect((await say(alice, 'hello')).status).toBe(200);
  await theRunner(router).close();
  await connectionsEnd();
  const answers = await Promise.all(Array.from({ length: 10 }, (_each, n) => say(alice, `number ${n}`)));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect(runner.specs).toHaveLength(2);
});

test('a refusal by the runner itself is its answer: it gets the request once, and goes on running', async () => {
  const runner = scriptedRunner('address-own');
  await using router = await startRouter({ backends: [memoryBackend('echo', {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  for (const status of [401, 403]) {
    runner.reply = () => Response.json({ error: { message: 'not for you' } }, { status });
    const before = runner.requests.length;
    const answer = await say(alice, 'hello');
    expect([answer.status, await answer.text()]).toEqual([status, expect.stringContaining('not for you')]);
    expect(runner.requests).toHaveLength(before + 1);
  }
  expect(runner.specs).toHaveLength(1);
  runner.reply = () => completion('Hello.');
  expect((await say(alice, 'hello')).status).toBe(200);
});

test('tries that a runner does not answer do not renew its idle time, and answers do', async () => {
  const clock = handClock();
  const runner = scriptedRunner('address-idle');
  const backends = [memoryBackend('echo', { default_idle_seconds: 100 }, runner.program)];
  await using router = await startRouter({ backends, now: clock.now });
  const alice = await router.person(PEOPLE.alice);
  expect((await say(alice, 'hello')).status).toBe(200);
  clock.advanceSeconds(90);
  expect((await say(alice, 'hello')).status).toBe(200);
  expect(await list(alice)).toMatchObject([{ idle_for_seconds: 0 }]);
  runner.reply = () => new Promise(() => {});
  for (let round = 0; round < 3; round += 1) {
    clock.advanceSeconds(30);
    const asked = runner.requests.length;
    const leaving = new AbortController();
    const waiting = alice.request('/v1/chat/completions', {
      method: 'POST',
      body: { model: 'echo', messages: [{ role: 'user', content: 'are you there?' }] },
      signal: leaving.signal,
    });
    await until(() => runner.requests.length > asked, 'it is asked');
    leaving.abort();
    await waiting.catch(() => undefined);
    await until(() => router.context.runners.running()[0]?.status.leases === 0, 'the try has ended');
  }
  expect(await list(alice)).toMatchObject([{ idle_for_seconds: 90 }]);
  clock.advanceSeconds(10);
  await router.context.sweep();
  expect(await list(alice)).toEqual([]);
});

test('a platform that is silent says nothing of the address: the runner is kept, and the message is refused', async () => {
  const script = switchable('address-silent');
  await using router = await startRouter({ backends: [memoryBackend('echo', {}, script.name)] });
  const alice = await router.person(PEOPLE.alice);
  expect((await say(alice, 'hello')).status).toBe(200);
  using _ = await takeOver(router, 401);
  await connectionsEnd();
  router.platform.available = false;
  // The error does not mention the refused key, because it is not the user's.
  const refused = await say(alice, 'are you there?');
  expect([refused.status, await refused.text()]).toEqual([502, expect.stringContaining('cannot be reached')]);
  expect(await list(alice)).toMatchObject([{ state: 'unknown' }]);
  router.platform.available = true;
  expect((await say(alice, 'and now?')).status).toBe(200);
});

test('the refusal that a stranger goes on sending is let go, also where the platform does not say whose address it is', async () => {
  const script = switchable('address-endless');
  await using router = await startRouter({ backends: [memoryBackend('echo', {}, script.name)] });
  const alice = await router.person(PEOPLE.alice);
  expect((await say(alice, 'hello')).status).toBe(200);
  const left = Promise.withResolvers<void>();
  const refused = () => {
    const start = (one: ReadableStreamDefaultController<Uint8Array>) => one.enqueue(Buffer.from('{"error":'));
    return new Response(new ReadableStream({ start, cancel: () => left.resolve() }), { status: 401 });
  };
  using _ = await takeOver(router, 401, { asked: async () => {}, probed() {}, refused });
  await connectionsEnd();
  router.platform.available = false;
  expect((await say(alice, 'are you there?')).status).toBe(502);
  await left.promise;
  router.platform.available = true;
});

test('a runner that gets SIGSTOP while a request waits is resumed by the next inspection', async () => {
  const cmd = [process.execPath, join(repositoryRoot, 'backends/demo/main.ts')];
  await using router = await startRouter({ backends: [{ name: 'demo', driver: 'process', trusted: true, cmd }] });
  const alice = await router.person(PEOPLE.alice);
  expect((await say(alice, 'echo one', { model: 'demo' })).status).toBe(200);
  process.kill(Number(router.context.runners.running()[0]?.runner.handle.pid), 'SIGSTOP');
  const waiting = say(alice, 'echo two', { model: 'demo' });
  await until(() => router.context.runners.running()[0]?.status.leases === 1, 'she waits');
  await router.context.sweep();
  expect(await (await waiting).text()).toContain('two');
});
