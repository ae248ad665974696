/** The system clock may be changed, by a person or over the network: dates follow it, durations do not. */
import { afterEach, expect, setSystemTime, test } from 'bun:test';
import { Silence } from '../../router/relay/timeouts';
import { memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { scriptedRunner } from '../support/scripted-runner';
import { readSources } from '../support/sources';

const DAY_MS = 86_400_000;
const env = { REAPER_INTERVAL_SECONDS: '3600', DEFAULT_IDLE_SECONDS: '60' };

/** Two clocks, of which only one can be set. */
function clocks() {
  const begunMs = Date.now();
  let setMs = 0;
  let passedMs = 0;
  return {
    now: () => begunMs + setMs + passedMs,
    steady: () => begunMs + passedMs,
    set(ms: number) {
      setMs += ms;
    },
    pass(ms: number) {
      passedMs += ms;
    },
  };
}

afterEach(() => {
  setSystemTime();
});

const chat = { method: 'POST', body: { model: 'echo', messages: [{ role: 'user', content: 'Hi' }] } };

test.each([
  ['back', -DAY_MS],
  ['forward', DAY_MS],
])('a clock that is set %s a day neither keeps an idle runner nor ends one that is not', async (_, leapMs) => {
  const clock = clocks();
  await using router = await startRouter({ env, ...clock });
  const alice = await router.person(PEOPLE.alice);
  expect((await alice.request('/v1/chat/completions', chat)).status).toBe(200);
  const agentId = router.context.runners.running()[0]?.agent.id ?? '';
  const state = () => router.context.runners.status(agentId).state;
  clock.set(leapMs);
  clock.pass(59_000);
  await router.context.sweep();
  expect(state()).toBe('running');
  // Displayed and stored times are dates nevertheless.
  expect(router.context.runners.status(agentId)).toMatchObject({ idleMs: 59_000, lastActiveMs: clock.now() - 59_000 });
  expect((await router.context.stores.runners.list())[0]?.lastActiveAtMs).toBe(clock.now() - 59_000);
  clock.pass(1_000);
  await router.context.sweep();
  expect(state()).toBe('stopped');
});

test.each([
  ['back', -DAY_MS],
  ['forward', DAY_MS],
])('a clock that is set %s a day changes nothing about the limits of a key', async (_, leapMs) => {
  const clock = clocks();
  await using router = await startRouter({ env, ...clock });
  const alice = await router.person(PEOPLE.alice);
  const { secret } = await router.context.keys.create(alice.id, 'few', { requestsPerMinute: 2 });
  const ask = () => router.request('/v1/chat/completions', { ...chat, headers: { authorization: `Bearer ${secret}` } });
  expect([(await ask()).status, (await ask()).status]).toEqual([200, 200]);
  clock.set(leapMs);
  const refused = await ask();
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '30']);
  clock.pass(30_000);
  expect([(await ask()).status, (await ask()).status]).toEqual([200, 429]);
});

test('a clock that is set back a day does not hold off the next try of a start that failed', async () => {
  const clock = clocks();
  await using router = await startRouter({
    env,
    ...clock,
    backends: [memoryBackend('echo', {}, 'there-is-no-such-program')],
  });
  const alice = await router.person(PEOPLE.alice);
  const first = await alice.request('/v1/chat/completions', chat);
  expect(first.status).toBeGreaterThanOrEqual(500);
  clock.set(-DAY_MS);
  const held = await alice.request('/v1/chat/completions', chat);
  const waitSeconds = Number(held.headers.get('retry-after'));
  expect(waitSeconds).toBeWithin(1, 601);
  clock.pass(waitSeconds * 1000);
  const again = await alice.request('/v1/chat/completions', chat);
  expect(again.headers.get('retry-after')).not.toBe(String(waitSeconds));
});

test('an answer is kept for its Idempotency-Key for an hour, whatever the clock is set to', async () => {
  const clock = clocks();
  const runner = scriptedRunner('set-clock');
  await using router = await startRouter({ env, ...clock, backends: [memoryBackend('echo', {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  const secret = await alice.createKey();
  const headers = { authorization: `Bearer ${secret}`, 'idempotency-key': 'one' };
  const ask = async () => (await router.request('/v1/chat/completions', { ...chat, headers })).status;
  expect(await ask()).toBe(200);
  clock.set(2 * DAY_MS);
  expect([await ask(), runner.requests.length]).toEqual([200, 1]);
  clock.set(-4 * DAY_MS);
  clock.pass(3_600_000);
  expect([await ask(), runner.requests.length]).toEqual([200, 2]);
});

test('the wait after too many sign-ins ends, whatever the clock is set to', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  expect(alice.id).not.toBe('');
  const signIn = () =>
    router.request('/auth/login', { method: 'POST', body: { ...PEOPLE.alice, password: 'wrong-one' } });
  let response = await signIn();
  for (let tries = 0; response.status === 401 && tries < 20; tries += 1) response = await signIn();
  expect(response.status).toBe(429);
  setSystemTime(new Date(Date.now() - DAY_MS));
  expect(Number((await signIn()).headers.get('retry-after'))).toBeWithin(1, 301);
}, 60_000);

test('nothing but dates is read from the clock of dates', async () => {
  const files = (await readSources(['router'])).filter(({ code }) => /Date\.now\b/.test(code));
  expect(files.map(({ path }) => path).sort()).toEqual([
    // Whether a key has expired, for a page.
    'router/accounts/keys/present.ts',
    // The clock of dates itself.
    'router/context.ts',
    // The age of a folder of an interrupted backup, and a number to write as a probe.
    'router/database/backup-folders.ts',
    'router/database/database.ts',
    'router/lib/ids.ts',
    'router/lib/log.ts',
    // The date in a Retry-After.
    'router/net/retry-after.ts',
    // `created` and `created_at` of OpenAI's objects.
    'router/openai/chunks.ts',
    'router/openai/plan.ts',
    'router/runners/call.ts',
  ]);
});

test('a runner that is silent for too long is noticed after the clock was set back a day', async () => {
  const told = Promise.withResolvers<string>();
  const limits = { firstByteMs: 1, betweenChunksMs: 1, totalMs: 3_600_000 };
  const silence = new Silence(limits, { close: ({ code }) => told.resolve(code) });
  silence.asked();
  setSystemTime(new Date(Date.now() - DAY_MS));
  expect(await told.promise).toBe('first_byte_timeout');
});

test('a silent stream gets its signs of life after the clock was set back a day', async () => {
  const runner = scriptedRunner('set-clock-silent');
  runner.reply = () => new Promise(() => {});
  await using router = await startRouter({ backends: [memoryBackend('echo', {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  const secret = await alice.createKey();
  const client = new AbortController();
  const response = await fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...chat.body, stream: true }),
    signal: client.signal,
  });
  setSystemTime(new Date(Date.now() - DAY_MS));
  let comments = 0;
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  while (comments < 2) comments += (await reader?.read())?.value?.match(/^: /gm)?.length ?? 0;
  client.abort();
  setSystemTime();
  await until(() => router.context.streams.size === 0, 'the router has noticed');
}, 60_000);
