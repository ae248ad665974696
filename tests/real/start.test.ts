/** `bin/start` in a fresh copy of the repository: what a newcomer types. */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { $ } from 'bun';
import { freePort } from '../support/ports';
import { NO_ENGINE } from '../support/process';
import { until } from '../support/router';

const ROOT = join(import.meta.dir, '../..');
/** What is in a folder that is used, and not in a clone of it. */
const NOT_CLONED = new Set(['.git', '.env', 'node_modules', 'data', 'tmp', 'test-results', 'playwright-report']);
/** A packages cache, so that the test needs no network where the packages have been installed before. */
const CACHE = (await $`${process.execPath} pm cache`.cwd(ROOT).text()).trim();
/** Packages may have to be fetched. */
const START_MS = 120_000;
setDefaultTimeout(START_MS);

let folder: string;
let clone: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-stack-start-'));
  clone = join(folder, 'agent-stack');
  await mkdir(join(folder, 'home'));
  // Bun writes an executable beside the sources before it has its name.
  const isSource = (path: string) => !NOT_CLONED.has(relative(ROOT, path)) && !path.endsWith('.bun-build');
  await cp(ROOT, clone, { recursive: true, filter: isSource });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs `bin/start` with nothing of our environment but PATH, from a folder that is not the repository. */
function start(env: Readonly<Record<string, string>> = {}) {
  const ports = { FRONTEND_PORT: String(freePort()), ROUTER_PORT: String(freePort()) };
  const child = Bun.spawn([join(clone, 'bin/start')], {
    cwd: folder,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: join(folder, 'home'),
      BUN_INSTALL_CACHE_DIR: CACHE,
      DOCKER_HOST: NO_ENGINE,
      ...ports,
      ...env,
    },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const url = `http://127.0.0.1:${ports.FRONTEND_PORT}`;
  return {
    url,
    output: () => new Response(child.stdout).text(),
    errors: () => new Response(child.stderr).text(),
    ended: child.exited,
    serves: () =>
      until(
        async () => {
          if (child.exitCode !== null) throw new Error(`bin/start ended with ${child.exitCode}`);
          return (await fetch(`${url}/healthz`).catch(() => undefined))?.ok;
        },
        'the router serves',
        START_MS,
      ),
    /** SIGTERM to the process that was started, as a service manager sends it. */
    async stop(): Promise<number> {
      child.kill('SIGTERM');
      return child.exited;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await child.exited;
    },
  };
}

async function signIn(url: string, email: string, password: string): Promise<number> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ email, password });
  return (await fetch(`${url}/auth/login`, { method: 'POST', headers, body })).status;
}

test('the first start shows address, e-mail and password once; a later one is silent and keeps them', async () => {
  await using first = start();
  await first.serves();
  const dotenv = await readFile(join(clone, '.env'), 'utf8');
  expect((await stat(join(clone, '.env'))).mode & 0o777).toBe(0o600);
  // SIGTERM reaches the router through bin/start, which has become it.
  expect(await first.stop()).toBe(0);
  const shown = await first.output();
  expect(shown).toContain('"router.stopped"');
  expect(shown).toContain(first.url);
  const [, email = '', password = ''] = /E-mail +(\S+)\n +Password +(\S+)/.exec(shown) ?? [];
  expect(dotenv).toContain(`BOOTSTRAP_ADMIN_PASSWORD=${password}\n`);

  await using second = start();
  await second.serves();
  expect(await signIn(second.url, email, password)).toBe(200);
  expect(await second.stop()).toBe(0);
  expect(await second.output()).not.toMatch(/Password|E-mail/);
  expect(await readFile(join(clone, '.env'), 'utf8')).toBe(dotenv);
});

/** The settings that the first agent-stack documented, with its own values where they are no secrets. */
const oldSettings = (dataRoot: string) => `# Copied from the example, and filled in.
HOST_STACK_ROOT=/var/lib/agent-stack
STACK_DATA_ROOT=${dataRoot}
ROUTER_BIND_HOST=127.0.0.1
ROUTER_PORT=18080
JWT_SECRET=0123456789abcdef0123456789abcdef0123456789abcdef
JWT_TTL_SECONDS=604800
COOKIE_NAME=agent_stack_session
COOKIE_SECURE=false
ALLOW_SIGNUP=true
INVITE_CODE=
BOOTSTRAP_ADMIN_EMAIL=admin@local
BOOTSTRAP_ADMIN_PASSWORD=an-old-password
BOOTSTRAP_ADMIN_NAME=Admin
DEFAULT_IDLE_SECONDS=0
REAPER_INTERVAL_SECONDS=30
BACKEND_BIND_HOST=127.0.0.1
BACKEND_PORT_START=19000
BACKEND_PORT_END=19999
BACKEND_STARTUP_TIMEOUT=90
BACKEND_PREPULL_AT_STARTUP=false
FRONTEND_BIND_HOST=127.0.0.1
FRONTEND_PORT=18000
AGENT_STACK_CALLBACK_URL=http://172.17.0.1:18080
MAX_AGENTS_PER_BACKEND=3
ROOM_COOLDOWN_SECONDS=60
LOG_LEVEL=INFO
`;

test("the first agent-stack's .env starts the router, which adds what is missing and names what it reads otherwise", async () => {
  const file = join(clone, '.env');
  const own = await readFile(file, 'utf8');
  const old = oldSettings(join(folder, 'old-data'));
  await writeFile(file, old);
  await using started = start();
  await started.serves();
  expect(await signIn(started.url, 'admin@local', 'an-old-password')).toBe(200);
  expect(await started.stop()).toBe(0);
  expect((await readFile(file, 'utf8')).slice(old.length)).toMatch(/^ENCRYPTION_KEY=[0-9a-f]{64}$/m);
  const lines = (await started.output()).split('\n');
  for (const name of [
    'DEFAULT_IDLE_SECONDS',
    'BACKEND_BIND_HOST',
    'AGENT_STACK_CALLBACK_URL',
    'ROOM_COOLDOWN_SECONDS',
  ]) {
    expect([name, lines.filter((line) => line.includes(`"${name}"`)).length]).toEqual([name, 1]);
  }
  expect(lines.filter((line) => line.includes('"HOST_STACK_ROOT"') || line.includes('"LOG_LEVEL"'))).toEqual([]);
  await writeFile(file, own);
});

test('where the one file cannot be made, the sources run', async () => {
  const cache = join(clone, 'node_modules/.cache');
  await rm(cache, { recursive: true, force: true });
  await writeFile(cache, 'no folder');
  await using started = start();
  await started.serves();
  expect(await started.stop()).toBe(0);
  expect(await started.errors()).toContain('The router could not be made into one file');
  await rm(cache);
});

test('the router refuses to start with wrong settings, and names all of them at once but none of the values', async () => {
  const wrong = {
    JWT_SECRET: 'CHANGE_ME',
    BOOTSTRAP_ADMIN_PASSWORD: 'too-short',
    COOKIE_SECURE: 'perhaps',
    REAPER_INTERVAL_SECONDS: 'often',
  };
  await using refused = start(wrong);
  expect(await refused.ended).toBe(1);
  const errors = await refused.errors();
  expect(errors).toContain('4 problems');
  for (const [name, value] of Object.entries(wrong)) {
    expect(errors).toMatch(new RegExp(`^  ${name}: .+ Example: .+$`, 'm'));
    expect(errors).not.toContain(value);
  }
  expect(errors).not.toContain('    at ');
});
