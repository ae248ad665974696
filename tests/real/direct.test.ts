/** The `direct` agent through the whole chain: client, router, runner, broker, and a scripted upstream at its end. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import OpenAI from 'openai';
import { type Browser, type RouterProcess, startRouterProcess } from '../support/process';
import { PEOPLE } from '../support/router';
import { hang, startUpstream, UPSTREAM_USAGE, type Upstream } from '../support/upstream';

/** Only ends a failed test: processes start slowly on a busy machine. */
setDefaultTimeout(60_000);

const KEY = 'sk-upstream-of-alice-0123456789';

let router: RouterProcess;
let upstream: Upstream;
let alice: Browser;
let client: OpenAI;

beforeAll(async () => {
  upstream = startUpstream({ key: KEY });
  router = await startRouterProcess();
  alice = await router.signIn(PEOPLE.alice);
  await setCredentials(alice, { LLM_BASE_URL: upstream.url, LLM_API_KEY: KEY, LLM_MODEL: 'model-of-alice' });
  client = await clientOf(alice);
});
afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await upstream.stop();
});

async function setCredentials(who: Browser, values: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(values)) {
    const answer = await who.request(`/api/me/env-overrides/${name}`, { method: 'PUT', body: { value } });
    expect(await answer.json()).toEqual({ ok: true, set: true });
  }
}

async function clientOf(who: Browser): Promise<OpenAI> {
  return new OpenAI({ baseURL: `${router.url}/v1`, apiKey: await who.createKey(), maxRetries: 0 });
}

const say = (content: string) => ({ model: 'direct', messages: [{ role: 'user' as const, content }] });

async function answerOf(who: OpenAI, content: string): Promise<string | null | undefined> {
  return (await who.chat.completions.create(say(content))).choices[0]?.message.content;
}

/** The newest call that the upstream got. */
function newestCall() {
  return upstream.request(upstream.requests.length);
}

/** Every file below a folder as text. */
async function filesBelow(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return (await Promise.all(files.map((file) => readFile(file, 'latin1')))).join('\n');
}

test("an answer streams from the upstream with the user's key and model, and its usage arrives", async () => {
  const gate = Promise.withResolvers<void>();
  upstream.script({ pieces: ['Hel', gate.promise, 'lo ', 'world'] });
  const options = { ...say('hi'), stream: true, stream_options: { include_usage: true } } as const;
  let text = '';
  let total: number | undefined;
  for await (const chunk of await client.chat.completions.create(options)) {
    text += chunk.choices[0]?.delta.content ?? '';
    total = chunk.usage?.total_tokens ?? total;
    // The rest has not arrived yet: the first part came while the upstream was still writing.
    if (text === 'Hel') gate.resolve();
  }
  expect({ text, total }).toEqual({ text: 'Hello world', total: UPSTREAM_USAGE.total_tokens });
  const call = await newestCall();
  expect(call.body).toMatchObject({ model: 'model-of-alice', stream: true });
  expect(call.body.messages?.at(-1)).toEqual({ role: 'user', content: 'hi' });
  expect(upstream.refusedCount).toBe(0);
});

test('law 9: a client that aborts ends the call at the upstream', async () => {
  upstream.script({ pieces: ['Once', hang()] });
  const answer = await client.chat.completions.create({ ...say('tell me'), stream: true });
  for await (const chunk of answer) {
    if (chunk.choices[0]?.delta.content) answer.controller.abort();
  }
  expect(await (await newestCall()).ended).toBe('aborted');
});

test("an upstream's refusal reaches the client with its status and code", async () => {
  const headers = { 'retry-after': '60' };
  upstream.script({ status: 429, message: 'Slow down.', code: 'rate_limit_exceeded', headers });
  const error = await answerOf(client, 'hi').catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(OpenAI.RateLimitError);
  expect(error).toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
});

test('law 14: the upstream key is not in the runner, its home, the log, an API response or the database', async () => {
  expect(await answerOf(client, 'hi')).toBe('Hello from upstream.');
  const [runner] = await router.runners();
  const environment = await readFile(`/proc/${runner?.leader?.pid}/environ`, 'latin1');
  expect(environment).toContain(`LLM_BASE_URL=${router.internalUrl}/upstream/v1`);
  const page = await (await alice.request('/settings')).text();
  const overrides = await (await alice.request('/api/me/env-overrides')).text();
  // Some servers quote the key they refuse.
  upstream.script({ status: 400, message: `Incorrect API key provided: ${KEY}` });
  const refused = await answerOf(client, 'hi').catch((error: InstanceType<typeof OpenAI.APIError>) => error.message);
  expect(refused).toContain('Incorrect API key');
  const data = await filesBelow(router.dataRoot);
  expect(data).toContain('SQLite format 3');
  for (const place of [environment, page, overrides, refused, data, router.output()]) expect(place).not.toContain(KEY);
});

test('law 16: a changed key and model count from the next call on, in the same runner', async () => {
  const before = (await router.runners()).map(({ mark }) => mark.life);
  upstream.key = 'sk-upstream-new-key-9876543210';
  const refused = await answerOf(client, 'hi').catch((error: unknown) => error);
  // Not 401, which would be about the client's own key.
  expect(refused).toBeInstanceOf(OpenAI.BadRequestError);
  expect(refused).toMatchObject({ code: 'upstream_credentials_refused' });
  await setCredentials(alice, { LLM_API_KEY: upstream.key, LLM_MODEL: 'another-model' });
  expect(await answerOf(client, 'hi')).toBe('Hello from upstream.');
  expect((await newestCall()).body.model).toBe('another-model');
  expect((await router.runners()).map(({ mark }) => mark.life)).toEqual(before);
});

test('law 15: two users side by side have a runner each, and each one calls their own upstream', async () => {
  await using other = startUpstream({ key: 'sk-upstream-of-bob' });
  const bob = await router.signIn(PEOPLE.bob);
  await setCredentials(bob, { LLM_BASE_URL: other.url, LLM_API_KEY: other.key, LLM_MODEL: 'model-of-bob' });
  upstream.script({ pieces: ['for alice'] });
  other.script({ pieces: ['for bob'] });
  const bobs = await clientOf(bob);
  expect(await Promise.all([answerOf(client, 'I am Alice'), answerOf(bobs, 'I am Bob')])).toEqual([
    'for alice',
    'for bob',
  ]);
  expect(other.requests.map(({ body }) => body.model)).toEqual(['model-of-bob']);
  expect(JSON.stringify(upstream.requests.map(({ body }) => body))).not.toContain('I am Bob');
  expect(upstream.refusedCount + other.refusedCount).toBe(1);
  const users = (await router.runners()).map(({ mark }) => mark.labels['agent-stack.user']);
  expect(new Set(users).size).toBe(2);
});
