/** A refusal reaches its client complete, as a status or in the stream, and says whether a retry makes sense. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { join } from 'node:path';
import OpenAI from 'openai';
import { repositoryRoot } from '../../router/config/root';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { chunk, completion, DONE, eventsOf, Reading, scriptedRunner } from '../support/scripted-runner';
import { passTime, restoreTime } from '../support/time';
import { startUpstream } from '../support/upstream';

const runner = scriptedRunner('refusals');
let router: TestRouter;
let alice: Person;
let key: string;

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('plain', {}, runner.program)] });
  alice = await router.person(PEOPLE.alice);
  key = await alice.createKey();
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(async () => {
  runner.reply = () => completion('Fine.');
  for (const { agent } of router.context.runners.running()) await router.context.runners.stop(agent.id, 'test');
});

const BODIES = { 'chat/completions': { messages: [{ role: 'user', content: 'Hi' }] }, responses: { input: 'Hi' } };
type Path = keyof typeof BODIES;
const ask = (path: Path, more: object = {}, secret = key) =>
  fetch(`${router.url}/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'plain', store: false, ...BODIES[path], ...more }),
  });
/** Starts wait until `go` is called. */
function heldStart() {
  const gate = Promise.withResolvers<void>();
  const remove = router.platform.intercept('start', () => gate.promise);
  return () => {
    remove();
    gate.resolve();
  };
}
const refuse = (status: number, error: object, headers: Record<string, string> = {}) => {
  runner.reply = () => Response.json({ error }, { status, headers });
};

/** Refusals, their error events, and the codes of failed responses. */
const REFUSALS = [
  {
    ...{ status: 429, headers: { 'retry-after': '7' }, code: 'rate_limit_exceeded' },
    error: { message: 'Slow down.', type: 'requests', code: 'rate_limit_exceeded', param: null },
    event: { message: 'Slow down. Please try again in 7s.', retry_after: 7 },
  },
  {
    ...{ status: 429, headers: {}, code: 'insufficient_quota' },
    error: { message: 'You have no credit.', type: 'insufficient_quota', code: 'insufficient_quota', param: null },
    event: { should_retry: false },
  },
  {
    ...{ status: 400, headers: {}, code: 'context_length_exceeded' },
    error: {
      ...{ message: 'Too long.', type: 'invalid_request_error', code: 'context_length_exceeded', param: 'messages' },
    },
    event: { should_retry: false },
  },
  {
    ...{ status: 422, headers: {}, code: 'invalid_prompt' },
    error: { message: 'No such tool.', type: 'invalid_request_error', code: null, param: 'tools' },
    event: { should_retry: false },
  },
  {
    ...{ status: 503, headers: { 'retry-after': '0.4' }, code: 'server_is_overloaded' },
    error: { message: 'Busy.', type: 'server_error', code: 'server_is_overloaded', param: null },
    event: { message: 'Busy. Please try again in 1s.', retry_after: 1 },
  },
];

test.each(REFUSALS)(
  'what comes after the stream began is told in it: $status $code',
  async (refused) => {
    const { status, headers, error, event, code } = refused;
    refuse(status, error, headers);
    const go = heldStart();
    const streams = await Promise.all(
      (['chat/completions', 'responses'] as const).map(async (path) => {
        const response = await ask(path, { stream: true });
        expect(response.status).toBe(200);
        const received = new Reading(response);
        await received.until('agent-stack:');
        return received;
      }),
    );
    go();
    const [chat = [], response = []] = await Promise.all(
      streams.map(async (one) => eventsOf((await one.end()).replaceAll(/^event: .*\n/gm, ''))),
    );
    const told = { ...error, status, ...event };
    expect(JSON.parse(chat.at(-2) ?? '')).toEqual({ error: told });
    expect(chat.at(-1)).toBe('[DONE]');
    const [failed, last] = response.slice(-2).map((one) => JSON.parse(one));
    expect(failed.response).toMatchObject({ status: 'failed', error: { code, message: told.message } });
    expect(last).toMatchObject({ type: 'error', error: told, code: error.code, param: error.param });
    expect(router.context.runners.running().map((one) => one.status.leases)).toEqual([0]);
  },
  60_000,
);

test.each(REFUSALS)(
  'one that comes in time has its own status, and says where asking again is no use: $status $code',
  async (refused) => {
    const { status, headers, error, event } = refused;
    await ask('chat/completions');
    refuse(status, error, headers);
    for (const path of ['chat/completions', 'responses'] as const) {
      for (const stream of [true, false]) {
        const response = await ask(path, { stream });
        expect([response.status, await response.json()]).toEqual([status, { error }]);
        expect(response.headers.get('retry-after')).toBe(headers['retry-after'] ?? null);
        expect(response.headers.get('x-should-retry')).toBe('should_retry' in event ? 'false' : null);
      }
    }
  },
);

test("OpenAI's client asks the upstream no more often than it tries itself, and then the broker once more", async () => {
  await using upstream = startUpstream();
  const direct = {
    ...{
      name: 'direct',
      driver: 'process',
      trusted: true,
      user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'],
    },
    cmd: [process.execPath, join(repositoryRoot, 'backends/direct/main.ts')],
  };
  await using own = await startRouter({ backends: [direct] });
  const bob = await own.person(PEOPLE.bob);
  const values = { LLM_BASE_URL: upstream.url, LLM_API_KEY: upstream.key, LLM_MODEL: 'm' };
  for (const [name, value] of Object.entries(values)) {
    await bob.request(`/api/me/env-overrides/${name}`, { method: 'PUT', body: { value } });
  }
  const client = new OpenAI({ baseURL: `${own.url}/v1`, apiKey: await bob.createKey() });
  const chat = { model: 'direct', messages: [{ role: 'user' as const, content: 'Hi' }], stream: true as const };
  for await (const _ of await client.chat.completions.create(chat));
  const before = upstream.requests.length;
  const headers = { 'retry-after': '1' };
  upstream.script(...Array(9).fill({ status: 429, message: 'Slow down.', code: 'rate_limit_exceeded', headers }));
  const error = await client.chat.completions.create(chat).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(OpenAI.RateLimitError);
  expect(error).toMatchObject({ status: 429, code: 'rate_limit_exceeded', type: 'upstream_error' });
  // The client makes three tries, and the broker makes three of the first one.
  expect(upstream.requests.length - before).toBeLessThanOrEqual(5);
}, 60_000);

test('a response that waits is an event at once and again, and begins once', async () => {
  const go = heldStart();
  const received = new Reading(await ask('responses', { stream: true }));
  await received.until('event: response.in_progress');
  passTime(5_000);
  await until(() => received.text.split('event: response.in_progress').length > 2, 'it is said again');
  restoreTime();
  const text = chunk('Fine.') + DONE;
  runner.reply = () => new Response(text, { headers: { 'content-type': 'text/event-stream' } });
  go();
  const events = eventsOf((await received.end()).replaceAll(/^event: .*\n/gm, '')).map((one) => JSON.parse(one));
  expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index));
  expect(events.filter(({ type }) => type === 'response.created')).toHaveLength(1);
  expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: { status: 'completed' } });
}, 60_000);

test('a chat that waits gets empty events where its key is set so, and no other', async () => {
  const made = await alice.request('/api/me/keys', {
    ...{ method: 'POST', body: { name: 'events', events_while_waiting: true } },
  });
  const { secret, key: shown } = (await made.json()) as { secret: string; key: object };
  expect(shown).toMatchObject({ events_while_waiting: true });
  const form = new URLSearchParams({ name: 'by form', events_while_waiting: 'on' });
  await alice.request('/settings/keys', { method: 'POST', body: form });
  expect(await (await alice.request('/settings')).text()).toContain('empty events while waiting');
  const text = chunk('Fine.') + DONE;
  runner.reply = () => new Response(text, { headers: { 'content-type': 'text/event-stream' } });
  const go = heldStart();
  const [eventful, plain] = await Promise.all(
    [secret, key].map((one) => ask('chat/completions', { stream: true }, one)),
  );
  const [first, second] = [eventful, plain].map((response) => new Reading(response as Response));
  await first?.until('data: ');
  await second?.until('agent-stack:');
  go();
  const [empty, ...rest] = eventsOf((await first?.end()) ?? '');
  expect(JSON.parse(empty ?? '')).toMatchObject({ object: 'chat.completion.chunk', choices: [{ delta: {} }] });
  expect(rest).toEqual(eventsOf(text));
  expect(eventsOf((await second?.end()) ?? '')).toEqual(eventsOf(text));
});

test('a start that fails for the same reason again is not to be tried by itself, and the reason comes first', async () => {
  let nowMs = Date.now();
  const code = 'console.error("reading\\nError: no such model"); console.error("  at main.ts:1"); process.exit(3)';
  const broken = { name: 'broken', driver: 'process', trusted: true, cmd: [process.execPath, '-e', code] };
  await using own = await startRouter({ backends: [broken], now: () => nowMs });
  const bob = await own.person(PEOPLE.bob);
  const chat = async () => {
    const body = { model: 'broken', messages: [{ role: 'user', content: 'Hi' }] };
    const response = await bob.request('/v1/chat/completions', { method: 'POST', body });
    const { error } = (await response.json()) as { error: { message: string } };
    return { status: response.status, retry: response.headers.get('x-should-retry'), message: error.message };
  };
  const first = await chat();
  expect(first).toMatchObject({ status: 502, retry: null });
  expect(first.message).toStartWith('broken could not start: it ended with exit code 3. Error: no such model.');
  // Within the back-off nothing was started, so this is no second failure.
  expect(await chat()).toMatchObject({ status: 502, retry: null });
  nowMs += 1_000;
  expect(await chat()).toEqual({ ...first, retry: 'false' });
  // A stream of responses gets it as a failed response: programs that look only at the status would retry, and not show
  // the reason.
  const body = { model: 'broken', input: 'Hi', stream: true };
  const response = await bob.request('/v1/responses', { method: 'POST', body });
  const [failed] = eventsOf((await response.text()).replaceAll(/^event: .*\n/gm, '')).slice(-2);
  expect(JSON.parse(failed ?? '')).toMatchObject({
    type: 'response.failed',
    response: { error: { code: 'invalid_prompt', message: first.message } },
  });
});
