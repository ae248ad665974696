import { expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { framesOf, handClock, list, say, start, stop, switchable, theRunner } from '../support/runners';
import { hang, startUpstream } from '../support/upstream';

const AN_HOUR = 3600;

/** Whether the reaper leaves the runner alone although no request has begun for an hour. */
async function survivesAnHour(router: TestRouter, clock: { advanceSeconds(seconds: number): void }): Promise<boolean> {
  clock.advanceSeconds(AN_HOUR);
  await router.context.sweep();
  return router.platform.runners.size === 1;
}

/** A router whose one runner answers chats with the result of `answer`, and Alice. */
async function withRunner(
  name: string,
  answer: () => Response | Promise<Response>,
  more: Record<string, unknown> = {},
) {
  const clock = handClock();
  const script = switchable(name, { answer });
  const router = await startRouter({ backends: [memoryBackend('echo', more, script.name)], now: clock.now });
  return { clock, script, router, alice: await router.person(PEOPLE.alice) };
}

const leasesOf = async (router: TestRouter) => router.context.runners.running()[0]?.status.leases;

test('law 4: a runner without work is reaped, so that the tests below mean something', async () => {
  const { router, clock, alice } = await withRunner('idle', () => Response.json({}));
  await using _ = router;
  await (await say(alice, 'hello')).text();
  expect(await survivesAnHour(router, clock)).toBe(false);
  expect(await list(alice)).toEqual([]);
});

test('law 4: a stream that says nothing for an hour keeps its runner', async () => {
  const silent = Promise.withResolvers<void>();
  const body = () =>
    new ReadableStream<Uint8Array>({
      async pull(controller) {
        controller.enqueue(new TextEncoder().encode('data: {"choices":[{"delta":{"content":"thinking"}}]}\n\n'));
        await silent.promise;
        controller.enqueue(new TextEncoder().encode('data: [DONE]\n\n'));
        controller.close();
      },
    });
  const events = { headers: { 'content-type': 'text/event-stream' } };
  const { router, clock, alice } = await withRunner('silent', () => new Response(body(), events));
  await using _ = router;
  const answer = await say(alice, 'think', { stream: true });
  const reader = answer.body?.getReader();
  await reader?.read();
  expect(await survivesAnHour(router, clock)).toBe(true);
  silent.resolve();
  while (!(await reader?.read())?.done);
  // The hour before the end does not count as idle; the hour after it does.
  await router.context.sweep();
  expect(router.platform.runners.size).toBe(1);
  expect(await survivesAnHour(router, clock)).toBe(false);
});

test('law 4: a request whose answer comes in one piece keeps its runner', async () => {
  const answer = Promise.withResolvers<Response>();
  const { router, clock, alice } = await withRunner('one-piece', () => answer.promise);
  await using _ = router;
  const asked = say(alice, 'work');
  await until(async () => router.platform.runners.size === 1 && (await leasesOf(router)) === 1, 'the agent works');
  expect(await survivesAnHour(router, clock)).toBe(true);
  answer.resolve(Response.json({ done: true }));
  expect(await (await asked).json()).toEqual({ done: true });
});

test('law 4: an answer that goes on without its reader keeps its runner', async () => {
  const answer = Promise.withResolvers<Response>();
  const { router, clock, alice } = await withRunner('detached', () => answer.promise);
  await using _ = router;
  const { conversations, generations, agents, backends } = router.context;
  const [backend] = backends.all();
  if (!backend) throw new Error('There is no backend');
  const message = await generations.start(
    await conversations.create(await agents.defaultOf(alice.id, backend)),
    'hello',
  );
  await until(async () => router.platform.runners.size === 1 && (await leasesOf(router)) === 1, 'the agent works');
  expect(await survivesAnHour(router, clock)).toBe(true);
  await generations.stop(message.id);
  await until(async () => (await leasesOf(router)) === 0, 'the lease is released');
});

test('law 4: a call that the runner itself makes to its upstream keeps it', async () => {
  await using upstream = startUpstream();
  upstream.script({ pieces: ['Hel', hang()] });
  const needs = { user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] };
  const { router, clock, alice, script } = await withRunner('calls-home', () => Response.json({}), needs);
  await using _ = router;
  const { credentials } = router.context;
  await credentials.set(alice.id, '', { LLM_BASE_URL: upstream.url, LLM_API_KEY: upstream.key, LLM_MODEL: 'm' });
  await start(alice);
  const env = script.spec?.env ?? {};
  const leaving = new AbortController();
  const call = await fetch(`${env.LLM_BASE_URL}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${env.LLM_API_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'hi' }], stream: true }),
    signal: leaving.signal,
  });
  expect(call.status).toBe(200);
  expect(await leasesOf(router)).toBe(1);
  expect(await survivesAnHour(router, clock)).toBe(true);
  leaving.abort();
  await until(async () => (await leasesOf(router)) === 0, 'the lease is released');
  expect(await survivesAnHour(router, clock)).toBe(false);
});

test('law 4: an open page and an open progress stream do not keep a runner', async () => {
  const { router, clock, alice } = await withRunner('watched', () => Response.json({}));
  await using _ = router;
  const progress = framesOf(alice);
  expect((await progress.next()).value).toMatchObject({ stage: 'stopped' });
  await start(alice);
  await using _page = await openPage(alice);
  expect(await leasesOf(router)).toBe(0);
  expect(await survivesAnHour(router, clock)).toBe(false);
});

/** The live stream of a page, whose first event has arrived; open until disposed. */
async function openPage(person: Person): Promise<AsyncDisposable> {
  const response = await person.request('/live');
  expect(response.headers.get('content-type')).toStartWith('text/event-stream');
  const reader = response.body?.getReader();
  await reader?.read();
  return { [Symbol.asyncDispose]: async () => reader?.cancel() };
}

test('law 4: what fails, is refused or is left gives its lease back', async () => {
  const { router, alice, script } = await withRunner('refuses', () => new Response('no', { status: 500 }));
  await using _ = router;
  await (await say(alice, 'refused')).text();
  await until(async () => (await leasesOf(router)) === 0, 'the refused one is over');
  let asked = 0;
  script.answer = () => {
    asked += 1;
    return new Promise(() => {});
  };
  const leaving = new AbortController();
  const left = fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { cookie: alice.cookie, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'echo', messages: [{ role: 'user', content: 'left' }] }),
    signal: leaving.signal,
  });
  await until(async () => asked === 1 && (await leasesOf(router)) === 1, 'the agent works');
  leaving.abort();
  await expect(left).rejects.toThrow();
  await until(async () => (await leasesOf(router)) === 0, 'the left one is over');
  const cut = say(alice, 'cut');
  // The request has reached the agent; otherwise the router would send it to another runner.
  await until(async () => asked === 2 && (await leasesOf(router)) === 1, 'the agent works again');
  router.platform.crash(theRunner(router).spec.id);
  expect((await cut).status).toBe(502);
  await stop(alice);
  const [agent] = await router.context.stores.agents.list(alice.id);
  expect(router.context.runners.status(agent?.id ?? '').leases).toBe(0);
});
