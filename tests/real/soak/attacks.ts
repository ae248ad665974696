/** The worst that is known of what can be sent to a router: one function for each, which does it once. */
import { connect } from 'node:net';
import type { Browser } from '../../support/process';

/** No attack takes longer; a router that hangs is seen by whoever behaves. */
const ATTACK_MS = 20_000;
const MEBIBYTE = 1_048_576;

export interface World {
  readonly url: string;
  /** Whoever attacks: with an account and a key. */
  readonly mallory: Browser;
  readonly key: string;
  /** Addresses of the agents whose answers are attacks, and whose upstream's are. */
  readonly agents: Readonly<Record<'evil' | 'direct', string>>;
  /** Of a relay that leads back to the router's own door. */
  readonly forwarderPort: number;
}

interface Attack {
  /** In `docs/faults.md`. */
  readonly row: string;
  run(world: World): Promise<unknown>;
}

interface Sent {
  readonly path: string;
  readonly body?: RequestInit['body'];
  readonly type?: string;
  readonly headers?: Record<string, string>;
  readonly method?: string;
}

/** Sends it and forgets the answer. */
async function send({ url }: World, { path, body, type = 'application/json', headers, method = 'POST' }: Sent) {
  const signal = AbortSignal.timeout(ATTACK_MS);
  const init = { method, headers: { ...(body != null && { 'content-type': type }), ...headers }, signal };
  const response = await fetch(`${url}${path}`, { ...init, redirect: 'manual', ...(body != null && { body }) });
  for await (const _ of response.body ?? []);
  return response.status;
}

const authorized = ({ key }: World) => ({ authorization: `Bearer ${key}` });
const chat = (world: World, more: object, path = 'chat/completions') =>
  send(world, { path: `/v1/${path}`, headers: authorized(world), body: JSON.stringify(more) });
const asking = (attack: string) => [{ role: 'user', content: `attack: ${attack}` }];
const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
const raw = (world: World, body: string, headers: Record<string, string> = authorized(world)) =>
  send(world, { path: '/v1/chat/completions', headers, body });
const times = <T>(count: number, work: (n: number) => Promise<T>) =>
  Promise.allSettled(Array.from({ length: count }, (_, n) => work(n)));

/** In chunks, without a length. */
function chunked(bytes: number, begin: string): ReadableStream<Uint8Array> {
  const piece = new Uint8Array(65_536).fill(97);
  let sent = 0;
  return new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode(begin)),
    pull(controller) {
      sent += piece.length;
      if (sent > bytes) controller.close();
      else controller.enqueue(piece);
    },
  });
}

/** Sends a request and never reads what comes. */
function unread({ url }: World, head: string, ms = 5_000): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(head));
    socket.pause();
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    setTimeout(() => socket.destroy(), ms);
  });
}

function post(world: World, path: string, body: string, headers = `authorization: Bearer ${world.key}\r\n`): string {
  const { host } = new URL(world.url);
  const length = `content-length: ${Buffer.byteLength(body)}\r\ncontent-type: application/json\r\n`;
  return `POST ${path} HTTP/1.1\r\nhost: ${host}\r\n${headers}${length}\r\n${body}`;
}

const get = (world: World, path: string, headers = '') =>
  `GET ${path} HTTP/1.1\r\nhost: ${new URL(world.url).host}\r\ncookie: ${world.mallory.cookie}\r\n${headers}\r\n`;

/** Has the agent answer on a page, and looks at it. */
async function view(world: World, attack: string, looks = 3): Promise<void> {
  const body = new URLSearchParams({ text: `attack: ${attack}` });
  const sent = await world.mallory.request(`/agents/${world.agents.evil}/conversations`, { method: 'POST', body });
  const path = sent.headers.get('location');
  if (path === null) return;
  const headers = { cookie: world.mallory.cookie };
  for (let look = 0; look < looks; look += 1) {
    await Bun.sleep(1_000);
    await send(world, { path, method: 'GET', headers }).catch(() => undefined);
  }
}

/** A recorded and a plain answer, and one that is translated. */
const answers = (world: World, attack: string) =>
  Promise.allSettled([
    chat(world, { model: 'evil', stream: true, store: true, messages: asking(attack) }),
    chat(world, { model: 'evil', stream: true, messages: asking(attack) }),
    chat(world, { model: 'evil', messages: asking(attack), store: true }),
    chat(world, { model: 'evil', stream: true, input: `attack: ${attack}` }, 'responses'),
    chat(world, { model: 'evil', input: `attack: ${attack}` }, 'responses'),
  ]);

const throughUpstream = (world: World, attack: string) =>
  Promise.allSettled([
    chat(world, { model: 'direct', stream: true, messages: asking(attack) }),
    chat(world, { model: 'direct', messages: asking(attack) }),
  ]);

const login = (world: World, email: string, password = 'not-the-one', path = '/auth/login') =>
  send(world, { path, body: JSON.stringify({ email, password }) });

/** As long as a form may be, and as long as a request may be. */
const GROWING = [300_000, 2_500_000].map((length) => '\uFDFA'.repeat(length));

/** A little less than a small machine takes. */
const LONG = `{"model":"evil","messages":[],"x":"${'x'.repeat(8_000_000)}"}`;
const SMALL_PARTS = `{"model":"evil","messages":[],"x":[${'{"a":1},'.repeat(1_000_000)}1]}`;

export const ATTACKS: Readonly<Record<string, Attack>> = {
  'a nested text part': {
    row: '1.1',
    run: (world) =>
      raw(
        world,
        `{"model":"direct","stream":true,"messages":[{"role":"user","content":[{"type":"text","text":${nested(10_500)}}]}]}`,
      ),
  },
  'a nested delta of an upstream': { row: '1.2', run: (world) => throughUpstream(world, 'nested delta') },
  'a nested index of a runner': { row: '1.3', run: (world) => answers(world, 'nested index') },
  'a nested member': {
    row: '1.4',
    run: (world) =>
      raw(world, `{"model":"evil","store":true,"messages":[{"role":"user","content":"x"}],"x":${nested(40_000)}}`),
  },
  'a nested answer of an upstream': { row: '1.5', run: (world) => throughUpstream(world, 'nested answer') },
  'a string without an end': { row: '1.6', run: (world) => raw(world, `{"model":"${'x'.repeat(4_000_000)}`) },
  'brackets without an end': { row: '1.6', run: (world) => raw(world, '['.repeat(20_000_000)) },
  'addresses that grow': {
    row: '1.7',
    run: (world) => times(4, (n) => login(world, GROWING[n % 2] ?? '', 'x', n < 2 ? '/auth/login' : '/auth/signup')),
  },
  'code that is slow to highlight': { row: '1.8', run: (world) => view(world, 'fence') },
  'links without an end': { row: '1.8', run: (world) => view(world, 'links') },
  'a long refusal': { row: '1.9', run: (world) => answers(world, 'refusal') },
  'assets under many addresses': {
    row: '1.10',
    run: (world) =>
      times(50, () =>
        send(world, {
          path: `/assets/htmx.js?v=${Math.random()}${'x'.repeat(8_000)}`,
          method: 'GET',
          headers: { 'accept-encoding': 'gzip' },
        }),
      ),
  },
  'forms in chunks': {
    row: '1.11',
    run: (world) => times(4, () => send(world, { path: '/auth/login', body: chunked(60 * MEBIBYTE, '{"email":"') })),
  },
  'answers without an end': { row: '1.12', run: (world) => answers(world, 'deltas') },
  'a page with an answer without an end': { row: '1.12', run: (world) => view(world, 'deltas') },
  'a line without an end': { row: '1.12', run: (world) => answers(world, 'one line') },
  'calls without an end': { row: '1.12', run: (world) => answers(world, 'calls') },
  'JSON without an end': { row: '1.12', run: (world) => answers(world, 'json') },
  'an answer that is small until it is unpacked': { row: '1.12', run: (world) => answers(world, 'bomb') },
  'answers to be kept': {
    row: '1.12',
    run: (world) =>
      times(4, (n) =>
        send(world, {
          path: '/v1/chat/completions',
          headers: { ...authorized(world), 'idempotency-key': `${Date.now()} ${n}` },
          body: JSON.stringify({ model: 'evil', messages: asking('json') }),
        }),
      ),
  },
  'live pages that nobody reads': {
    row: '1.13',
    run: (world) =>
      Promise.all([
        view(world, 'one paragraph', 1),
        ...Array.from({ length: 5 }, () => unread(world, get(world, '/live'))),
      ]),
  },
  'compressed live pages that nobody reads': {
    row: '1.13',
    run: (world) =>
      Promise.all([
        view(world, 'one paragraph', 1),
        ...Array.from({ length: 5 }, () => unread(world, get(world, '/live', 'accept-encoding: gzip\r\n'))),
      ]),
  },
  'answers that nobody reads': {
    row: '1.13',
    run: (world) => {
      const body = JSON.stringify({ model: 'evil', stream: true, messages: asking('deltas') });
      return times(10, () => unread(world, post(world, '/v1/chat/completions', body)));
    },
  },
  'interim answers without an end': { row: '1.14', run: (world) => answers(world, 'interims') },
  'a nested field': {
    row: '1.15',
    run: (world) =>
      send(world, {
        path: '/auth/login',
        body: `{"email":${'['.repeat(200_000)}${']'.repeat(200_000)},"password":"x"}`,
      }),
  },
  'the router itself as an upstream': {
    row: '1.16',
    async run(world) {
      const set = (value: string) =>
        world.mallory.request('/api/me/env-overrides/LLM_BASE_URL', {
          method: 'PUT',
          body: { value, backend: 'looped' },
        });
      await set(`http://127.0.0.1:${world.forwarderPort}/v1`);
      await chat(world, { model: 'looped', messages: asking('nothing') });
    },
  },
  'calls at once': {
    row: '2.3',
    run: (world) => times(30, () => chat(world, { model: 'direct', messages: asking('nothing') })),
  },
  'right sign-ins at once': {
    row: '2.6',
    run: (world) => times(200, () => login(world, MALLORY.email, MALLORY.password)),
  },
  'bodies as long as may be': { row: '1.12', run: (world) => times(4, () => raw(world, LONG)) },
  'bodies of many small things': { row: '1.12', run: (world) => times(2, () => raw(world, SMALL_PARTS)) },
  'requests that stop in the middle': {
    row: '1.11',
    run: (world) =>
      times(100, () => {
        const begun = post(world, '/auth/login', `{"email":"${'x'.repeat(900_000)}`, '');
        return unread(world, begun.replace(/content-length: \d+/, 'content-length: 1000000'), 3_000);
      }),
  },
};

export const MALLORY = { email: 'mallory@example.org', name: 'Mallory', password: 'mallory-secret' } as const;
