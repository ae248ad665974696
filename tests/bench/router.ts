/** The router under test: a process like any other deployment's, with one backend, whose runner is the scripted one. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from '../../scripts/build';
import { freePort } from '../support/ports';
import { OTHER_CPU, onCpu, PROXY_CPU, Server } from './processes';
import type { RunnerStats } from './runner';
import { CHAT_PATH, chatBody, MODEL, type Script, scriptText } from './script';

const ROOT = join(import.meta.dir, '../..');
export const ADMIN = { email: 'bench@example.org', password: 'a-password-of-the-bench' } as const;

export interface RouterUnderTest extends AsyncDisposable {
  readonly server: Server;
  /** Where the scripted runner listens, whoever asks. */
  readonly runnerPort: number;
  /** A key for `/v1`. */
  readonly key: string;
  /** Conversations of the bench's user, new ones when there are not enough yet: one answer at a time fits into each. */
  conversations(count: number): Promise<readonly string[]>;
  /** Asks for a short answer, which starts the runner where there is none. */
  ask(headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** Asks for an answer as the page does, in a conversation of its own, of which the id is returned. */
  askInPage(script: Script): Promise<string>;
  /** Identifies the bench's user to pages. */
  readonly cookie: string;
  /** Makes an account, unless there is one. */
  makeUser(email: string, password: string): Promise<void>;
  stopRunner(): Promise<void>;
  runnerStats(): Promise<RunnerStats>;
}

/** The scripted runner as a command, on the CPU of everything that is not measured. */
export const RUNNER_COMMAND = onCpu(OTHER_CPU, [process.execPath, join(import.meta.dir, 'runner.ts')]);

interface RouterExtras {
  /** The router writes a CPU profile there when it ends. */
  readonly profileDir?: string | undefined;
  /** A runner in place of the scripted one. */
  readonly other?: OtherRunner;
  /** A file that is loaded into the router's process first, variables for it, and where standard error goes to. */
  readonly preload?: { readonly path: string; readonly env: Readonly<Record<string, string>>; readonly stderr: string };
}

export interface OtherRunner {
  /** Its entry of `backends.json`; the name must be that of the scripted runner. */
  readonly backend: Readonly<Record<string, unknown>>;
  /** Settings of its router. */
  readonly env: Readonly<Record<string, string>>;
  /** The LLM API that it asks. */
  readonly upstream: { readonly url: string; readonly key: string };
  /** Called when its router serves and has started no runner. */
  onServe(dataRoot: string): void;
}

/** Starts a router with data of its own, signs in, makes a key and starts the runner. */
export async function startRouter(extras: RouterExtras = {}): Promise<RouterUnderTest> {
  const dataRoot = await mkdtemp(join(tmpdir(), 'agent-stack-bench-'));
  const runnerPort = freePort();
  const server = await routerServer(dataRoot, runnerPort, extras);
  const dispose = async () => {
    await server.stop();
    await rm(dataRoot, { recursive: true, force: true });
  };
  try {
    await server.start();
    extras.other?.onServe(dataRoot);
    // The scripted runner is the LLM API, too.
    const upstream = extras.other?.upstream ?? { url: `http://127.0.0.1:${runnerPort}/v1`, key: 'sk-bench' };
    return await signedIn(server, runnerPort, upstream, dispose);
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** A router over a data root, which is made where there is none. */
export async function routerServer(
  dataRoot: string,
  runnerPort: number,
  { profileDir, preload, other }: RouterExtras = {},
): Promise<Server> {
  const backend = {
    name: MODEL,
    driver: 'process',
    trusted: true,
    cmd: RUNNER_COMMAND,
    user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'],
    extra_env: { BENCH_PID: String(process.pid) },
  };
  const backendsPath = join(dataRoot, 'backends.json');
  await writeFile(backendsPath, JSON.stringify([other?.backend ?? backend]));
  const profile = profileDir === undefined ? [] : ['--cpu-prof', '--cpu-prof-md', `--cpu-prof-dir=${profileDir}`];
  // As bin/start runs it; a profile is read beside the sources.
  const main = profileDir === undefined ? await build(ROOT) : join(ROOT, 'router/main.ts');
  const port = freePort();
  const intoFile = preload ? ['sh', '-c', `exec "$@" 2>'${preload.stderr}'`, 'sh'] : [];
  return new Server({
    name: 'router',
    command: [
      ...intoFile,
      process.execPath,
      '--no-env-file',
      ...profile,
      ...(preload ? ['--preload', preload.path] : []),
      main,
    ],
    cwd: ROOT,
    cpu: PROXY_CPU,
    port,
    healthPath: '/healthz',
    env: {
      JWT_SECRET: 'a-secret-of-the-bench-0123456789abcdef',
      ENCRYPTION_KEY: '00'.repeat(32),
      BOOTSTRAP_ADMIN_EMAIL: ADMIN.email,
      BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
      STACK_DATA_ROOT: dataRoot,
      BACKENDS_CONFIG_PATH: backendsPath,
      FRONTEND_PORT: String(port),
      ROUTER_PORT: String(freePort()),
      // One port, so that the runner is where the other proxies look for it.
      BACKEND_PORT_START: String(runnerPort),
      BACKEND_PORT_END: String(runnerPort),
      // The limits on sign-ins are per address.
      TRUST_PROXY: 'loopback',
      // Not while others are being measured.
      DEFAULT_IDLE_SECONDS: '21600',
      ...other?.env,
      ...preload?.env,
    },
  });
}

async function signedIn(
  server: Server,
  runnerPort: number,
  upstream: OtherRunner['upstream'],
  dispose: () => Promise<void>,
): Promise<RouterUnderTest> {
  const login = await send(server, '/auth/login', { headers: { 'content-type': 'application/json' }, body: ADMIN });
  const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
  const page = await send(server, '/settings/keys', {
    headers: { cookie },
    body: new URLSearchParams({ name: 'bench' }),
  });
  const key = /sk-as-[\w-]+/.exec(await page.text())?.[0];
  if (!key) throw new Error('The settings page shows no key.');

  const ask = (headers: Readonly<Record<string, string>> = {}) =>
    send(server, CHAT_PATH, {
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: chatBody(),
    });
  const stopRunner = async () => {
    await send(server, `/api/runners/${MODEL}`, { method: 'DELETE', headers: { cookie } });
  };
  const values = { LLM_BASE_URL: upstream.url, LLM_API_KEY: upstream.key, LLM_MODEL: MODEL };
  await send(server, '/api/me/env-overrides', {
    method: 'PUT',
    headers: { cookie, 'content-type': 'application/json' },
    body: { values },
  });
  const known: string[] = [];
  const agentId = (await ask()).headers.get('x-agent-stack-agent');
  return {
    server,
    runnerPort,
    key,
    cookie,
    ask,
    stopRunner,
    async makeUser(email, password) {
      const response = await fetch(`${server.url}/api/admin/users`, {
        method: 'POST',
        headers: { cookie, 'content-type': 'application/json' },
        body: JSON.stringify({ email, password, name: 'Somebody' }),
      });
      if (!response.ok && response.status !== 409) throw new Error(`No account was made: ${await response.text()}`);
    },
    async askInPage(script) {
      const body = new URLSearchParams({ text: scriptText(script) });
      const seeOther = await fetch(`${server.url}/agents/${agentId}/conversations`, {
        ...{ method: 'POST', headers: { cookie }, body, redirect: 'manual' },
      });
      const id = /^\/conversations\/([^/?]+)/.exec(seeOther.headers.get('location') ?? '')?.[1];
      if (id === undefined) throw new Error(`The router refused a conversation with ${seeOther.status}.`);
      return id;
    },
    async conversations(count) {
      // A request that may go on without its client begins a conversation.
      while (known.length < count) {
        const { headers } = await ask({ 'x-agent-stack-detach': 'true' });
        known.push(headers.get('x-conversation-id') ?? '');
      }
      return known.slice(0, count);
    },
    runnerStats: async () => (await fetch(`http://127.0.0.1:${runnerPort}/bench/stats`)).json() as Promise<RunnerStats>,
    async [Symbol.asyncDispose]() {
      await stopRunner().catch(() => undefined);
      await dispose();
    },
  };
}

type Sent = { method?: string; headers: Readonly<Record<string, string>>; body?: object | string };

/** Rejects with the router's words when it refuses. The answer's body is there already. */
async function send(server: Server, path: string, { method = 'POST', headers, body }: Sent): Promise<Response> {
  const isText = body === undefined || typeof body === 'string' || body instanceof URLSearchParams;
  const response = await fetch(server.url + path, {
    method,
    headers,
    ...(body !== undefined && { body: isText ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`The router refused ${method} ${path} with ${response.status}: ${text}`);
  return new Response(text, response);
}
