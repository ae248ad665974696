/**
 * A whole router for a test: real SQLite on disk, the real memory driver (or process driver), both listeners on
 * loopback. `request()` goes through `app.handle`; `url` is for tests that need a connection (streams, disconnects).
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type OpenAI from 'openai';
import { type MemoryPlatform, memoryPlatform, type Program, registerProgram } from '../../drivers/memory';
import { internalApp, publicApp } from '../../router/app';
import { loadConfig } from '../../router/config/config';
import { type Context, createContext } from '../../router/context';
import { createInternalListener } from '../../router/web/internal-listener';
import type { Listener } from '../../router/web/patience';
import type { RenderingTimes } from '../../router/web/rendering/rendering';
import { freePort } from './ports';

/** The people of every test. Mallory has no permissions. */
export const PEOPLE = {
  alice: { email: 'alice@example.org', name: 'Alice', password: 'alice-secret' },
  bob: { email: 'bob@example.org', name: 'Bob', password: 'bob-secret-1' },
  mallory: { email: 'mallory@example.org', name: 'Mallory', password: 'mallory-secret' },
} as const;
export const ADMIN = { email: 'admin@example.org', name: 'Admin', password: 'admin-secret-12' } as const;

/** The settings of every test's router. */
export const SETTINGS = {
  JWT_SECRET: 'a-secret-of-the-tests-0123456789abcdef',
  ENCRYPTION_KEY: '00'.repeat(32),
  BOOTSTRAP_ADMIN_EMAIL: ADMIN.email,
  BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
  BOOTSTRAP_ADMIN_NAME: ADMIN.name,
  ALLOW_SIGNUP: 'true',
} as const;

export interface TestRouterOptions {
  /** Entries of `backends.json`; by default one, `echo`, on the memory driver. */
  readonly backends?: readonly Record<string, unknown>[];
  readonly env?: Record<string, string>;
  /** Uses the data of an earlier router, like a restart. */
  readonly dataRoot?: string;
  readonly now?: () => number;
  /** For durations; by default the same as `now`. */
  readonly steady?: () => number;
  /** How long Markdown may take. */
  readonly renderingTimes?: RenderingTimes;
  /** Seconds after which the public listener ends a connection on which nothing comes. */
  readonly idleSeconds?: number;
}

export interface Person {
  readonly id: string;
  /** Value of a `cookie` header. */
  readonly cookie: string;
  /** `app.handle` with this person's cookie. A `body` that is an object is sent as JSON, URLSearchParams as a form. */
  request(path: string, init?: TestInit): Promise<Response>;
  /** Creates an API key through the settings page. */
  createKey(name?: string): Promise<string>;
  /** OpenAI's client with a new key of this person. It does not try again by itself. */
  openai(): Promise<OpenAI>;
}

export type TestInit = Omit<RequestInit, 'body'> & { body?: RequestInit['body'] | object };

/** The request that a form sends. */
export const form = (fields: Readonly<Record<string, string>> = {}) => ({
  method: 'POST',
  body: new URLSearchParams(fields),
});

export interface TestRouter extends AsyncDisposable {
  readonly context: Context;
  /** Base URL of the public listener, without a trailing slash. */
  readonly url: string;
  readonly internalUrl: string;
  readonly dataRoot: string;
  readonly platform: MemoryPlatform;
  /** The public listener. */
  readonly listener: NonNullable<Listener>;
  /** Every route of a listener, such as "GET /conversations/:id". */
  readonly routes: { readonly public: readonly string[]; readonly internal: readonly string[] };
  request(path: string, init?: TestInit): Promise<Response>;
  person(who: { email: string; name: string; password: string }): Promise<Person>;
  /** Replaces `backends.json`; the router notices by itself. */
  writeBackends(backends: readonly Record<string, unknown>[] | string): Promise<void>;
  /** Ends this router as a signal would, keeping data and runners, for a restart on the same `dataRoot`. */
  stop(): Promise<void>;
}

/** A backend on the memory driver whose runners run `program` (the driver's own `echo` by default). */
export function memoryBackend(
  name: string,
  more: Record<string, unknown> = {},
  program?: string,
): Record<string, unknown> {
  return {
    name,
    driver: 'memory',
    trusted: true,
    cmd: [],
    ...(program !== undefined && { driver_options: { program } }),
    ...more,
  };
}

/** Backends that tell their runners the runtime session: `plain` is sent all of a chat, `keeper` only what is new. */
export function plainAndKeeper(program: string): Record<string, unknown>[] {
  const headers = { 'X-Session': `\${conversation}` };
  return [
    memoryBackend('plain', { headers }, program),
    memoryBackend('keeper', { history: 'last-turn', headers }, program),
  ];
}

/** Registers a program for memory runners for the time of a test file and returns its name. */
export function program(name: string, run: Program): string {
  registerProgram(name, run);
  return name;
}

export async function startRouter(options: TestRouterOptions = {}): Promise<TestRouter> {
  const dataRoot = options.dataRoot ?? (await mkdtemp(join(tmpdir(), 'agent-stack-test-')));
  const backendsPath = join(dataRoot, 'backends.json');
  const writeBackends = (backends: readonly Record<string, unknown>[] | string) =>
    writeFile(backendsPath, typeof backends === 'string' ? backends : JSON.stringify(backends, null, 2));
  await writeBackends(options.backends ?? [memoryBackend('echo')]);
  const internalPort = Number(options.env?.ROUTER_PORT ?? freePort());
  const { config, secrets } = loadConfig({
    ...SETTINGS,
    STACK_DATA_ROOT: dataRoot,
    BACKENDS_CONFIG_PATH: backendsPath,
    MIN_IDLE_SECONDS: '1',
    ROUTER_PORT: String(internalPort),
    FRONTEND_PORT: '0',
    ...options.env,
  });
  const internal = createInternalListener({ port: internalPort });
  const { listenOn } = internal;
  const context = await createContext({
    config,
    secrets,
    internalPort,
    listenOn,
    ...(options.now && { now: options.now }),
    ...(options.steady && { steady: options.steady }),
    ...(options.renderingTimes && { renderingTimes: options.renderingTimes }),
  });
  const app = await publicApp(context, secrets);
  app.listen({ hostname: '127.0.0.1', port: 0, ...(options.idleSeconds && { idleTimeout: options.idleSeconds }) });
  internal.open(() => internalApp(context));

  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= (async () => {
      await context[Symbol.asyncDispose]();
      await app.stop(true);
      internal.close();
    })();
    return stopped;
  };
  const request = async (path: string, init: TestInit = {}) =>
    app.handle(new Request(`http://localhost${path}`, withBody(init)));

  const listener = app.server;
  if (!listener) throw new Error('The router does not listen');
  const url = `http://127.0.0.1:${listener.port}`;
  return {
    context,
    url,
    internalUrl: `http://127.0.0.1:${internalPort}`,
    dataRoot,
    listener,
    platform: memoryPlatform(context.installationId),
    routes: { public: routesOf(app), internal: routesOf(internalApp(context)) },
    request,
    writeBackends,
    stop,
    person: (who) => signIn(request, url, who),
    async [Symbol.asyncDispose]() {
      for (const { agent } of context.runners.running()) await context.runners.stop(agent.id, 'test ended');
      await stop();
      await rm(dataRoot, { recursive: true, force: true });
    },
  };
}

function routesOf(app: { readonly routes: readonly { readonly method: string; readonly path: string }[] }) {
  return app.routes.map(({ method, path }) => `${method} ${path}`);
}

type Send = (path: string, init?: TestInit) => Promise<Response>;

/** Signs in, after a sign-up if the account does not exist (the admin does). */
async function signIn(
  request: Send,
  url: string,
  who: { email: string; name: string; password: string },
): Promise<Person> {
  const body = { email: who.email, password: who.password, name: who.name };
  let response = await request('/auth/login', { method: 'POST', body });
  if (!response.ok) response = await request('/auth/signup', { method: 'POST', body });
  if (!response.ok) throw new Error(`${who.email} could not sign in: ${await response.text()}`);
  const cookie = response.headers.get('set-cookie')?.split(';')[0] ?? '';
  const { user } = (await response.json()) as { user: { id: string } };
  const own: Send = (path, init = {}) => request(path, { ...init, headers: { ...(init.headers as object), cookie } });
  const createKey = async (name = 'test') => {
    await own('/settings/keys', { method: 'POST', body: new URLSearchParams({ name }) });
    const page = await own('/settings');
    const key = /sk-as-[\w-]+/.exec(await page.text())?.[0];
    if (!key) throw new Error('The settings page shows no key');
    return key;
  };
  return {
    id: user.id,
    cookie,
    request: own,
    createKey,
    async openai() {
      // Most tests do without it, and it takes a while to load.
      const { OpenAI } = await import('openai');
      return new OpenAI({ baseURL: `${url}/v1`, apiKey: await createKey(), maxRetries: 0 });
    },
  };
}

function withBody(init: TestInit): RequestInit {
  const { body } = init;
  const isPlain = typeof body === 'object' && body !== null && Object.getPrototypeOf(body) === Object.prototype;
  if (!isPlain) return init as RequestInit;
  return {
    ...init,
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...(init.headers as object) },
  };
}

type Truthy<T> = Exclude<T, undefined | null | false | 0 | ''>;

/**
 * Polls `check` and returns its first truthy result. The time limit only ends a failed test; the default is shorter than
 * that of a test (`scripts/test.ts`), so that the error says what never happened.
 */
export async function until<T>(
  check: () => T | Promise<T>,
  what: string,
  limitMs = 50_000,
): Promise<Truthy<Awaited<T>>> {
  const deadlineMs = performance.now() + limitMs;
  for (;;) {
    const value = await check();
    if (value) return value as Truthy<Awaited<T>>;
    if (performance.now() > deadlineMs) throw new Error(`It never happened that ${what}`);
    await Bun.sleep(5);
  }
}
