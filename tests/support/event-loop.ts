/**
 * A router that runs as a process, with agents that answer what a test says, and a test for each kind of input that
 * takes the router's pulse meanwhile. A test file calls `useRouterProcess` once.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { freePort } from './ports';
import { type Browser, type RouterProcess, startRouterProcess } from './process';
import { takePulse } from './pulse';
import { PEOPLE } from './router';

export const MB = 1_048_576;
/** Memory may be collected at any time: an input is slow if it is so each time. */
const TRIES_MAX = 6;

const pulsePort = freePort();
export let router: RouterProcess;
export let alice: Browser;
let key: string;
/** What the runner `puppet`, and the upstream of the runner `caller`, answer. */
let answer: () => Response = () => new Response();
let script: Bun.Server<undefined>;
/** What the runner `wire` does on the connection of a request. */
let onWire: (socket: Socket) => void = () => undefined;
/** Starts the router before the tests of the calling file, and ends it after them. */
export function useRouterProcess(): void {
  // Ends only a test that has failed: processes start slowly on a busy machine.
  setDefaultTimeout(120_000);
  const wire = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      if (bytes.toString('latin1').startsWith('GET ')) socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
      else onWire(socket);
    });
  });

  beforeAll(async () => {
    script = Bun.serve({ hostname: '127.0.0.1', port: 0, idleTimeout: 0, fetch: () => answer() });
    await new Promise<void>((listening) => wire.listen(0, '127.0.0.1', () => listening()));
    const { port: wirePort } = wire.address() as { port: number };
    const backend = {
      driver: 'process',
      trusted: true,
      attachments: true,
      cmd: ['bun', join(import.meta.dir, 'puppet.ts')],
      health_path: '/healthz',
      paths: ['chat/completions', 'responses', 'models'],
    };
    const backends = [
      { ...backend, name: 'puppet', extra_env: { PUPPET_URL: `http://127.0.0.1:${script.port}` } },
      { ...backend, name: 'caller', user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] },
      {
        ...backend,
        name: 'wire',
        cmd: ['bun', join(import.meta.dir, 'tcp-puppet.ts')],
        extra_env: { PUPPET_PORT: String(wirePort) },
      },
      {
        ...backend,
        name: 'chat',
        extra_env: { PUPPET_URL: `http://127.0.0.1:${script.port}` },
        paths: ['chat/completions'],
      },
    ];
    router = await startRouterProcess({ backends, preload: 'pulse.ts', env: { PULSE_PORT: String(pulsePort) } });
    alice = await router.signIn(PEOPLE.alice);
    key = await alice.createKey();
    const values = { LLM_BASE_URL: `http://127.0.0.1:${script.port}/v1`, LLM_API_KEY: 'sk-x', LLM_MODEL: 'm' };
    for (const [name, value] of Object.entries(values)) {
      await alice.request(`/api/me/env-overrides/${name}`, { method: 'PUT', body: { value } });
    }
    says({ role: 'assistant', content: 'Hi' });
    for (const model of ['puppet', 'caller', 'chat']) expect(await chat({ model })).toBe(200);
  });
  afterAll(async () => {
    await router[Symbol.asyncDispose]();
    await script.stop(true);
    wire.close();
  });
}

export async function post(path: string, body: RequestInit['body'], type = 'application/json'): Promise<number> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': type };
  const response = await fetch(router.url + path, { method: 'POST', headers, body: body ?? null });
  // However the answer ends.
  await response.bytes().catch(() => undefined);
  return response.status;
}

export const messages = [{ role: 'user', content: 'Hi' }];
export const chat = (body: object) =>
  post('/v1/chat/completions', JSON.stringify({ model: 'puppet', messages, ...body }));
/** A chat with something in it that `JSON.stringify` would not write. */
export const chatWith = (member: string) =>
  post('/v1/chat/completions', `{"model":"puppet","messages":[{"role":"user","content":"Hi"}],${member}}`);
export const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

/** The runner, or the upstream, answers this to a request. */
export function answers(
  body: string,
  { model = 'puppet', status = 200, type = 'text/event-stream', ...request }: Row = {},
) {
  answer = () => new Response(body, { status, headers: { 'content-type': type } });
  return chat({ model, stream: type === 'text/event-stream', ...request });
}

/** A stream of chat that is asked for as a response. */
export function asResponse(body: string) {
  answer = () => new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  return post('/v1/responses', JSON.stringify({ model: 'chat', input: 'Hi', stream: true }));
}

interface Row {
  readonly model?: string;
  readonly status?: number;
  readonly type?: string;
  readonly store?: boolean;
}

export const DONE = 'data: [DONE]\n\n';
export const delta = (member: string) => `data: {"choices":[{"delta":{${member}}}]}\n\n`;
export const STORED = { store: true };
export const CALLER = { model: 'caller' };

/** The runner `wire` sends this, and more of it as long as it is taken. */
export function endlessly(piece: string, more: object = {}) {
  onWire = (socket) => {
    const many = piece.repeat(Math.ceil(65_536 / piece.length));
    const send = () => {
      while (!socket.destroyed && socket.write(many));
    };
    socket.on('drain', send);
    send();
  };
  return chat({ model: 'wire', ...more });
}

/** The runner, or the upstream, answers this message. */
export function says(message: object): void {
  answer = () => Response.json({ choices: [{ message }] });
}

/** What is sent, and the status with which it is answered. */
type Inputs = Readonly<Record<string, readonly [status: number, send: () => Promise<number>]>>;

/** A test for each input: nobody else waits for it. */
export function nobodyWaits(inputs: Inputs): void {
  for (const [name, [status, send]] of Object.entries(inputs)) {
    test(`nobody waits for ${name}`, async () => {
      const missed: number[] = [];
      while (missed.length < TRIES_MAX && (missed.at(-1) ?? 2) > 1) {
        const pulse = await takePulse(pulsePort);
        expect(await send()).toBe(status);
        missed.push(await pulse());
      }
      expect(Math.min(...missed)).toBeLessThan(2);
    });
  }
}
