/**
 * The router in a process of its own, with its own ports and data, as `bin/start` runs it. For tests of things that
 * only a process has: signals, crashes, an environment, runners that outlive it.
 *
 *     await using router = await startRouterProcess();
 *     const admin = await router.signIn();
 *     await router.kill('SIGKILL');
 *     await router.start();                               // the same data, ports and runners
 */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endRunner } from '../../drivers/process/end';
import { type Found, findRunners } from '../../drivers/process/runners';
import { processTable } from '../../drivers/process/table';
import { build } from '../../scripts/build';
import { installationOf } from './installation';
import { freePort } from './ports';
import { ADMIN, SETTINGS, until } from './router';

const ROOT = join(import.meta.dir, '../..');

/** A value for `DOCKER_HOST` where no Docker engine answers. */
export const NO_ENGINE = 'unix:///nowhere/docker.sock';

interface RouterProcessOptions {
  /** A given folder is kept. By default a new folder, which is removed with the router. */
  readonly dataRoot?: string;
  /** Overrides the settings of the tests. Of the tests' own environment the router gets only PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** Entries of `backends.json`; by default the repository's own. */
  readonly backends?: readonly Record<string, unknown>[];
  /** A file of `tests/support/` to preload; the router then runs from its sources. */
  readonly preload?: string;
  /** A command that starts the router, and ends when the router ends. */
  readonly prefix?: readonly string[];
  /** In place of Bun and the bundle of the sources. */
  readonly command?: readonly string[];
}

/** The repository's `backends.json`, with more `extra_env` for the demo agent, such as `DEMO_START_DELAY_MS`. */
export async function backendsWithDemoEnv(env: Readonly<Record<string, string>>): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(ROOT, 'backends.json'), 'utf8');
  const entries: Record<string, unknown>[] = JSON.parse(text.replace(/\$\{BACKENDS_DIR\}/g, ROOT));
  return entries.map((entry) => (entry.name === 'demo' ? { ...entry, extra_env: env } : entry));
}

export interface RouterProcess extends AsyncDisposable {
  /** Base URL of the public listener, without a trailing slash. The same after a restart. */
  readonly url: string;
  readonly internalUrl: string;
  readonly dataRoot: string;
  /** Value of the label on its containers. */
  readonly installationId: string;
  readonly admin: typeof ADMIN;
  /** Pid of the current process. */
  readonly pid: number;
  /** Whether the process runs. */
  readonly isAlive: boolean;
  /** Standard output and error of all processes so far. */
  output(): string;
  /** Signs in over the network, after a sign-up if the account does not exist. By default as the administrator. */
  signIn(who?: { email: string; name: string; password: string }): Promise<Browser>;
  /** The living runners of this router, found by their marks, as the driver finds them. */
  runners(): Promise<readonly Found[]>;
  /** Signals the router, waits for its end and returns the exit code; null when the signal ended it. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
  /** Starts again after `kill`, and waits until it serves. */
  start(): Promise<void>;
}

/** A signed-in person. */
export interface Browser {
  /** Value of a `cookie` header. */
  readonly cookie: string;
  /** A request with the cookie; redirects are not followed. A plain object as `body` is sent as JSON. */
  request(path: string, init?: BrowserInit): Promise<Response>;
  /** Makes a key on the settings page. */
  createKey(): Promise<string>;
}

type BrowserInit = Omit<RequestInit, 'body'> & { body?: object | string };

/** Rejects with the router's output when it ends before it serves. */
export async function startRouterProcess(options: RouterProcessOptions = {}): Promise<RouterProcess> {
  const dataRoot = options.dataRoot ?? (await mkdtemp(join(tmpdir(), 'agent-stack-real-')));
  const backendsPath = options.backends ? join(dataRoot, 'backends.json') : join(ROOT, 'backends.json');
  if (options.backends) await writeFile(backendsPath, JSON.stringify(options.backends));
  const env = { ...settings(dataRoot, backendsPath), ...options.env };
  const url = `http://127.0.0.1:${env.FRONTEND_PORT}`;

  const { preload } = options;
  const bundle = async () =>
    preload ? ['--preload', join(import.meta.dir, preload), 'router/main.ts'] : [await build(ROOT)];
  let output = '';
  const program = options.command ?? [process.execPath, '--no-env-file', ...(await bundle())];
  const command = [...(options.prefix ?? []), ...program];
  let child = spawnRouter(command, env, dataRoot, (text) => {
    output += text;
  });
  const serves = () =>
    until(async () => {
      if (child.exitCode !== null) throw new Error(`The router ended with ${child.exitCode}:\n${output}`);
      return (await fetch(`${url}/healthz`).catch(() => undefined))?.ok;
    }, 'the router serves');
  const kill = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await child.exited;
    return child.signalCode === null ? child.exitCode : null;
  };

  const router: RouterProcess = {
    url,
    internalUrl: `http://127.0.0.1:${env.ROUTER_PORT}`,
    dataRoot,
    get installationId() {
      return installationOf(dataRoot) ?? '';
    },
    admin: ADMIN,
    get pid() {
      return child.pid;
    },
    get isAlive() {
      return child.exitCode === null && child.signalCode === null;
    },
    output: () => output,
    signIn: (who = ADMIN) => signIn(url, who),
    runners: () => runnersOf(dataRoot),
    kill,
    async start() {
      child = spawnRouter(command, env, dataRoot, (text) => {
        output += text;
      });
      await serves();
    },
    async [Symbol.asyncDispose]() {
      await kill('SIGKILL');
      // Runners outlive their router, so they are ended here.
      for (const { mark } of await runnersOf(dataRoot)) await endRunner(processTable(), mark, 0);
      if (options.dataRoot === undefined) await rm(dataRoot, { recursive: true, force: true });
    },
  };
  try {
    await serves();
    return router;
  } catch (error) {
    await router[Symbol.asyncDispose]();
    throw error;
  }
}

function settings(dataRoot: string, backendsPath: string): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    BUN_CONFIG_MAX_HTTP_REQUESTS: '8192',
    ...SETTINGS,
    // A router creates networks on its engine, so it gets one only if a test names it.
    DOCKER_HOST: NO_ENGINE,
    // A stopped router breaks off what is under way.
    DRAIN_SECONDS: '0',
    STACK_DATA_ROOT: dataRoot,
    BACKENDS_CONFIG_PATH: backendsPath,
    FRONTEND_PORT: String(freePort()),
    ROUTER_PORT: String(freePort()),
  };
}

/** `--no-env-file`: a developer's `.env` must not affect tests. */
function spawnRouter(
  command: readonly string[],
  env: Record<string, string>,
  cwd: string,
  onOutput: (text: string) => void,
) {
  const child = Bun.spawn([...command], { cwd: ROOT, env: { HOME: cwd, ...env }, stdout: 'pipe', stderr: 'pipe' });
  const read = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) onOutput(decoder.decode(bytes, { stream: true }));
  };
  void read(child.stdout);
  void read(child.stderr);
  return child;
}

async function runnersOf(dataRoot: string): Promise<readonly Found[]> {
  const id = installationOf(dataRoot);
  const all = await findRunners(processTable());
  return all.filter(({ mark }) => id !== undefined && mark.labels['agent-stack.installation'] === id);
}

async function signIn(url: string, who: { email: string; name: string; password: string }): Promise<Browser> {
  const send = (path: string, init: BrowserInit = {}, cookie?: string) => {
    const { body, headers, ...rest } = init;
    const isForm = body instanceof URLSearchParams || body instanceof FormData;
    return fetch(`${url}${path}`, {
      redirect: 'manual',
      ...rest,
      headers: {
        ...(body !== undefined && !isForm && { 'content-type': 'application/json' }),
        ...(cookie !== undefined && { cookie }),
        ...(headers as Record<string, string> | undefined),
      },
      ...(body !== undefined && { body: isForm || typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  };
  let response = await send('/auth/login', { method: 'POST', body: who });
  if (!response.ok) response = await send('/auth/signup', { method: 'POST', body: who });
  if (!response.ok) throw new Error(`${who.email} could not sign in: ${await response.text()}`);
  const cookie = response.headers.get('set-cookie')?.split(';')[0] ?? '';
  const request = (path: string, init?: BrowserInit) => send(path, init, cookie);
  return {
    cookie,
    request,
    async createKey() {
      await request('/settings/keys', { method: 'POST', body: new URLSearchParams({ name: 'test' }) });
      const page = await request('/settings');
      const key = /sk-as-[\w-]+/.exec(await page.text())?.[0];
      if (!key) throw new Error('The settings page shows no key');
      return key;
    },
  };
}
