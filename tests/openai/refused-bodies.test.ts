/** Bodies of `/v1` that the router or a runner refuses: the error class of the official client, and the message. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import OpenAI from 'openai';
import { faultIn } from '../../router/lib/json-fault';
import { ADMIN, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { completion, scriptedRunner } from '../support/scripted-runner';

const runner = scriptedRunner('bodies');
let router: TestRouter;
let alice: Person;
let key: string;

beforeAll(async () => {
  router = await startRouter({
    backends: [
      memoryBackend('scripted', {}, runner.program),
      memoryBackend('owned', { user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] }, runner.program),
      memoryBackend('off', { disabled: true }),
      memoryBackend('keyed', { user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] }),
    ],
    env: { MAX_BODY_BYTES: '20000' },
  });
  alice = await router.person(PEOPLE.alice);
  key = await alice.createKey();
});
afterAll(() => router[Symbol.asyncDispose]());
afterEach(() => {
  runner.reply = () => completion('Hello.');
});

const post = (body: string | object, stream = false) =>
  fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify({ model: 'scripted', messages: [], stream, ...body }),
  });

test('a body that is not JSON is refused with the place where it stops being JSON', async () => {
  const wrong: [string, string][] = [
    ['{"model":', 'line 1, column 10'],
    ['{"model":"echo",}', 'line 1, column 17'],
    ['{\n  "model": "echo"\n  "stream": true\n}', 'line 3, column 3'],
    ['{"messages":[{"content":"Hello\nworld"}]}', 'line 1, column 25'],
    ["{'model':'echo'}", 'line 1, column 2'],
    ['hello', 'line 1, column 1'],
    ['{"model":"echo"}}', 'line 1, column 17'],
  ];
  for (const [body, place] of wrong) {
    const response = await post(body);
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    expect([response.status, error.code]).toEqual([400, 'invalid_request']);
    expect(error.message).toStartWith(`The body is not valid JSON at ${place}: `);
  }
});

test('a text has a fault exactly if the engine’s parser refuses it', () => {
  const values = [{ a: [1, -2.5e-3, true, null], 'ü "\\\n\u007f': '\u2028😀\ud800' }, [], {}, '', 0, [[[]]], { a: {} }];
  const whole = values.map((value) => JSON.stringify(value, null, 1)).concat(' [ ] ', '\t"\\u00e9\\/"\r\n', '1E+2');
  for (const text of whole) {
    expect([text, faultIn(text)]).toEqual([text, undefined]);
    // Every way to lose or to double one character.
    for (let at = 0; at < text.length; at += 1) {
      for (const broken of [
        text.slice(0, at) + text.slice(at + 1),
        text.slice(0, at) + text.charAt(at) + text.slice(at),
      ]) {
        expect([broken, faultIn(broken) === undefined]).toEqual([broken, isJson(broken)]);
      }
    }
  }
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test('every refusal is the right class of the official client', async () => {
  const make = async (grant: object) => (await router.context.keys.create(alice.id, 'test', grant)).secret;
  const limited = await make({ requestsPerMinute: 1 });
  const ask = async (apiKey: string, body: object = {}) => {
    const client = new OpenAI({ apiKey, baseURL: `${router.url}/v1`, maxRetries: 0 });
    const messages = [{ role: 'user' as const, content: 'Hi' }];
    const chat = { model: 'scripted', messages, ...body };
    return client.chat.completions.create(chat).catch((thrown: unknown) => thrown);
  };
  await ask(limited);
  const cases: [unknown, new (...args: never[]) => Error, RegExp][] = [
    [await ask('sk-as-nope'), OpenAI.AuthenticationError, /not valid, or was revoked/],
    [await ask(await make({ scopes: ['manage'] })), OpenAI.PermissionDeniedError, /Use another key/],
    [await ask(await make({ backends: ['off'] })), OpenAI.PermissionDeniedError, /is not for scripted/],
    [await ask(key, { model: 'nope' }), OpenAI.NotFoundError, /Available: scripted, owned, off, keyed/],
    [await ask(key, { model: '' }), OpenAI.BadRequestError, /Name an agent in "model"/],
    [await ask(key, { model: 'keyed' }), OpenAI.UnprocessableEntityError, /Settings/],
    [await ask(limited), OpenAI.RateLimitError, /Try again in \d+ s/],
    [await ask(key, { model: 'off' }), OpenAI.InternalServerError, /switched off/],
    [await ask(key, { user: 'x'.repeat(20_000) }), OpenAI.APIError, /larger than 20000 bytes/],
  ];
  for (const [error, kind, words] of cases) {
    expect(error).toBeInstanceOf(kind);
    expect((error as Error).message).toMatch(words);
  }
  const nowhere = new OpenAI({ apiKey: key, baseURL: 'http://127.0.0.1:9/v1', maxRetries: 0 });
  expect(await nowhere.models.list().catch((thrown: unknown) => thrown)).toBeInstanceOf(OpenAI.APIConnectionError);
});

test('a runner’s own words are passed on, without its keys, its name and its addresses', async () => {
  await (await post({})).text();
  const [running] = router.context.runners.running();
  const env = runner.specs[0]?.env ?? {};
  if (!running) throw new Error('No runner is there');
  const access = env.OPENAI_API_KEY ?? '';
  const secrets = [access, `rk-${'k'.repeat(43)}`, running.runner.url, new URL(running.runner.url).host];
  const names = [
    '127.0.0.1:43211',
    'localhost:18080',
    'http://[::1]:7/x',
    'http://host.docker.internal:18080/upstream/v1',
  ];
  const platform = runner.specs[0]?.name ?? '';
  expect([access, platform]).toEqual([expect.stringMatching(/^ak-/), expect.stringMatching(/^ar-/)]);
  for (const [index, inside] of [...secrets, ...names, platform, `my-${platform}`].entries()) {
    const words = `The context is too long (${index}), said ${inside}, at 10:30 for gpt-4o.`;
    runner.reply = () =>
      Response.json({ error: { message: words, type: 'x', param: null, code: 'c' } }, { status: 422 });
    for (const stream of [false, true]) {
      const response = await post({}, stream);
      const text = await response.text();
      expect([response.status, text.includes(inside)]).toEqual([422, false]);
      const { error } = JSON.parse(text) as { error: { message: string; code: string } };
      expect([error.code, error.message]).toEqual([
        'c',
        expect.stringMatching(/^The context is too long \(\d+\), said .*, at 10:30 for gpt-4o\.$/),
      ]);
    }
  }
});

test('a user is told the address that is their own, and no other on this machine', async () => {
  const { credentials } = router.context;
  const values = { LLM_BASE_URL: 'http://127.0.0.1:11434/v1', LLM_API_KEY: 'sk-x', LLM_MODEL: 'm' };
  const told = async (words: string) => {
    runner.reply = () => Response.json({ error: { message: words } }, { status: 422 });
    return ((await (await post({ model: 'owned' })).json()) as { error: { message: string } }).error.message;
  };
  const words = 'no model at http://127.0.0.1:11434/v1, see 127.0.0.1:11435 and localhost:11434';
  await credentials.set(alice.id, 'owned', values);
  expect(await told(words)).toBe('no model at http://127.0.0.1:11434/v1, see [address] and [address]');
  // The same address where the administrator has set it for all.
  const admin = await router.person(ADMIN);
  await credentials.set(alice.id, 'owned', { LLM_BASE_URL: '', LLM_API_KEY: '', LLM_MODEL: '' });
  await credentials.set(admin.id, '', values);
  await credentials.share(Object.keys(values), true);
  expect(await told(words)).toBe('no model at [address]/v1, see [address] and [address]');
});

test('an answer that is no refusal is not touched', async () => {
  const text = '{"choices":[{"message":{"role":"assistant","content":"Open http://127.0.0.1:3000 or localhost."}}]}';
  runner.reply = () => new Response(text, { headers: { 'content-type': 'application/json' } });
  expect(await (await post({})).text()).toBe(text);
});
