/**
 * One event loop serves all users: no input of a client, a runner or an upstream may block it. Each kind of input is
 * sent to a router in a process of its own, while its pulse is measured.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { type Browser, type RouterProcess, startRouterProcess } from '../support/process';
import { takePulse } from '../support/pulse';
import { PEOPLE } from '../support/router';

/** Only ends a failed test: processes start slowly on a busy machine. */
setDefaultTimeout(120_000);

const MB = 1_048_576;
/** The machine may be busy: an input counts as slow only if it is slow each time. */
const TRIES_MAX = 6;

let router: RouterProcess;
let alice: Browser;
let key: string;
/** The answers of the runner `puppet`, and of the upstream of the runner `caller`. */
let answer: () => Response = () => new Response();
const script = Bun.serve({ hostname: '127.0.0.1', port: 0, idleTimeout: 0, fetch: () => answer() });

beforeAll(async () => {
  const backend = {
    driver: 'process',
    trusted: true,
    cmd: ['bun', join(import.meta.dir, '../support/puppet.ts')],
    health_path: '/healthz',
    paths: ['chat/completions', 'responses', 'models'],
  };
  const backends = [
    { ...backend, name: 'puppet', extra_env: { PUPPET_URL: `http://127.0.0.1:${script.port}` } },
    { ...backend, name: 'caller', user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] },
    {
      ...backend,
      name: 'chat',
      extra_env: { PUPPET_URL: `http://127.0.0.1:${script.port}` },
      paths: ['chat/completions'],
    },
  ];
  router = await startRouterProcess({ backends });
  alice = await router.signIn(PEOPLE.alice);
  key = await alice.createKey();
  const values = { LLM_BASE_URL: `http://127.0.0.1:${script.port}/v1`, LLM_API_KEY: 'sk-x', LLM_MODEL: 'm' };
  for (const [name, value] of Object.entries(values)) {
    await alice.request(`/api/me/env-overrides/${name}`, { method: 'PUT', body: { value } });
  }
  answer = () => Response.json({ choices: [{ message: { role: 'assistant', content: 'Hi' } }] });
  for (const model of ['puppet', 'caller', 'chat']) expect(await chat({ model })).toBe(200);
});
afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await script.stop(true);
});

async function post(path: string, body: RequestInit['body'], type = 'application/json'): Promise<number> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': type };
  const response = await fetch(router.url + path, { method: 'POST', headers, body: body ?? null });
  // However the answer ends.
  await response.bytes().catch(() => undefined);
  return response.status;
}

const messages = [{ role: 'user', content: 'Hi' }];
const chat = (body: object) => post('/v1/chat/completions', JSON.stringify({ model: 'puppet', messages, ...body }));
/** A chat with a part that `JSON.stringify` would not write. */
const chatWith = (member: string) =>
  post('/v1/chat/completions', `{"model":"puppet","messages":[{"role":"user","content":"Hi"}],${member}}`);
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

/** The answer of the runner, or of the upstream, to a request. */
function answers(body: string, { model = 'puppet', status = 200, type = 'text/event-stream', ...request }: Row = {}) {
  answer = () => new Response(body, { status, headers: { 'content-type': type } });
  return chat({ model, stream: type === 'text/event-stream', ...request });
}

interface Row {
  readonly model?: string;
  readonly status?: number;
  readonly type?: string;
  readonly store?: boolean;
}

const DONE = 'data: [DONE]\n\n';
const delta = (member: string) => `data: {"choices":[{"delta":{${member}}}]}\n\n`;
const STORED = { store: true };
const CALLER = { model: 'caller' };

/** The input, and the answer for the client. */
const inputs: Record<string, readonly [status: number, send: () => Promise<number>]> = {
  'a body nested 40,000 deep': [400, () => chatWith(`"store":true,"x":${nested(40_000)}`)],
  'a body of 20 MB of brackets': [400, () => post('/v1/chat/completions', '['.repeat(20 * MB - 1))],
  'a body of 15 MB of empty objects': [400, () => chatWith(`"x":[${'{},'.repeat(5 * MB)}0]`)],
  'a body of 200,000 names': [400, () => chatWith(Array.from({ length: 200_000 }, (_, at) => `"k${at}":0`).join())],
  'a body of 15 MB of escapes': [400, () => chatWith(`"x":"${'\\n'.repeat(7 * MB)}"`)],
  'a body of 15 MB of blanks': [400, () => chatWith(`${' '.repeat(15 * MB)}"x":0`)],
  'a string of 4 MB without an end': [400, () => chatWith(`"x":"${'a'.repeat(4 * MB)}`)],
  'a body of 15 MB that is no UTF-8': [400, () => post('/v1/chat/completions', new Uint8Array(15 * MB).fill(0xff))],
  '4,000 calls and their outputs': [
    200,
    () => {
      answer = () => Response.json({ choices: [{ message: { content: 'Hi' } }] });
      const calls = Array.from({ length: 4_000 }, (_, at) => `{"type":"function_call","call_id":"c${at}","name":"f"}`);
      const outputs = Array.from({ length: 4_000 }, (_, at) => `{"type":"function_call_output","call_id":"c${at}"}`);
      return post('/v1/responses', `{"model":"chat","input":[${calls},${outputs}]}`);
    },
  ],
  'a form with a field nested 200,000 deep': [
    422,
    () => {
      const form = new FormData();
      form.set('email', nested(200_000));
      return fetch(`${router.url}/auth/login`, { method: 'POST', body: form }).then(({ status }) => status);
    },
  ],
  'a form of 200,000 fields': [
    400,
    () => post('/auth/login', '&a=b'.repeat(200_000), 'application/x-www-form-urlencoded'),
  ],
  'JSON nested 200,000 deep on a page': [400, () => post('/auth/login', nested(200_000))],
  'JSON of many values on a page': [400, () => post('/auth/login', `{"x":[${'0,'.repeat(MB / 4)}0]}`)],
  'a refusal of dots': [400, () => answers('a.'.repeat(100_000), { status: 400, type: 'text/plain' })],
  'a refusal of hyphens': [400, () => answers('a-'.repeat(100_000), { status: 400, type: 'text/plain' })],
  'a refusal nested deep': [
    400,
    () => answers(`{"error":${nested(7_000)}}`, { status: 400, type: 'application/json' }),
  ],
  'a stream of deltas nested 60,000 deep': [200, () => answers(delta(`"x":${nested(60_000)}`) + DONE, STORED)],
  'an index nested 200,000 deep': [
    200,
    () => answers(`data: {"type":"response.output_item.done","output_index":${nested(200_000)}}\n\n${DONE}`, STORED),
  ],
  'an upstream whose deltas are nested deep': [200, () => answers(delta(`"content":${nested(60_000)}`) + DONE, CALLER)],
  'an upstream whose answer is nested deep': [
    200,
    () => answers(`{"choices":[{"message":{"content":${nested(60_000)}}}]}`, { ...CALLER, type: 'application/json' }),
  ],
  'an upstream that begins its usage again and again': [
    200,
    () => answers(`${'{"usage":'.repeat(50_000)}0`, { ...CALLER, type: 'application/json' }),
  ],
  'one event of 8 MB': [200, () => answers(delta(`"content":"${'a'.repeat(8 * MB)}"`) + DONE, STORED)],
};

for (const [name, [status, send]] of Object.entries(inputs)) {
  test(`nobody waits for ${name}`, async () => {
    const missed: number[] = [];
    while (missed.length < TRIES_MAX && (missed.at(-1) ?? 2) > 1) {
      const pulse = await takePulse(router.url);
      expect(await send()).toBe(status);
      missed.push(await pulse());
    }
    expect(Math.min(...missed)).toBeLessThan(2);
  });
}
