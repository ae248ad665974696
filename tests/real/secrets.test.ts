/**
 * Searches for leaked keys in a real installation: the router as a process with the most detailed log, runners as
 * processes and as containers, people with keys of their own and with a shared one, a crash and a key rotation.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { repositoryRoot } from '../../router/config/root';
import { containedBackend } from '../support/contained';
import { docker, engineHost, removeInstallation, requireEngine } from '../support/engine';
import { testImage } from '../support/image';
import { leaksBelow, leaksIn } from '../support/leaks';
import { type Browser, backendsWithDemoEnv, type RouterProcess, startRouterProcess } from '../support/process';
import { PEOPLE } from '../support/router';
import { startUpstream, type Upstream } from '../support/upstream';

/** Only ends a failed test: processes and containers start slowly on a busy machine. */
setDefaultTimeout(120_000);

const LLM = ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'];
const ADMINS_KEY = 'sk-of-the-admin-0123456789-ABCDEFGH';
const ADMINS_NEXT_KEY = 'sk-of-the-admin-1111111111-HGFEDCBA';
const ALICES_KEY = 'sk-of-alice-9876543210-STUVWXYZ';
const SECRETS = [ADMINS_KEY, ADMINS_NEXT_KEY, ALICES_KEY];

const hasEngine = await requireEngine('no key in containers');
let router: RouterProcess;
let seeds: string;
let admins: Upstream;
let alices: Upstream;
/** Alice has a key of her own, bob uses the administrator's. */
let people: readonly Browser[];

beforeAll(async () => {
  seeds = await mkdtemp(join(tmpdir(), 'agent-stack-seeds-'));
  await cp(join(repositoryRoot, 'seeds'), seeds, { recursive: true });
  const backends = (await backendsWithDemoEnv({})).filter(({ name }) => name === 'direct');
  if (hasEngine) {
    const contained = await containedBackend('direct', { image: await testImage(), seeds });
    backends.push({
      ...contained,
      name: 'contained',
      user_overridable_env: LLM,
      driver_options: { network: 'sealed' },
    });
  }
  router = await startRouterProcess({
    backends,
    env: { LOG_LEVEL: 'debug', SEEDS_ROOT: seeds, ...(hasEngine && { DOCKER_HOST: engineHost }) },
  });
  admins = startUpstream({ key: ADMINS_KEY });
  alices = startUpstream({ key: ALICES_KEY });
  const [admin, alice, bob] = [
    await router.signIn(),
    await router.signIn(PEOPLE.alice),
    await router.signIn(PEOPLE.bob),
  ];
  people = [admin, alice, bob];
  await set(admin, { LLM_BASE_URL: admins.url, LLM_API_KEY: ADMINS_KEY, LLM_MODEL: 'shared-model' });
  for (const name of LLM) {
    const shared = await admin.request(`/api/admin/shared-env/${name}`, { method: 'PUT', body: { shared: true } });
    expect(shared.status).toBe(200);
  }
  await set(alice, { LLM_BASE_URL: alices.url, LLM_API_KEY: ALICES_KEY });
  await everybodyAsks();
  // Refusals of upstreams that quote keys, a crash, and a key that is changed while runners run.
  for (const upstream of [admins, alices]) {
    upstream.script({ status: 400, message: `The key ${upstream.key} may not do this.` });
  }
  for (const who of people.slice(1)) await ask(who, 'direct', 400);
  await router.kill('SIGKILL');
  await router.start();
  admins.key = ADMINS_NEXT_KEY;
  await set(admin, { LLM_API_KEY: ADMINS_NEXT_KEY });
  await everybodyAsks();
});
afterAll(async () => {
  const id = router.installationId;
  await router[Symbol.asyncDispose]();
  if (hasEngine && id !== '') await removeInstallation(id);
  await admins.stop();
  await alices.stop();
  await rm(seeds, { recursive: true });
});

async function set(who: Browser, values: Record<string, string>): Promise<void> {
  const response = await who.request('/api/me/env-overrides', { method: 'PUT', body: { values } });
  expect(response.status).toBe(200);
}

async function ask(who: Browser, model: string, status = 200): Promise<void> {
  const body = { model, messages: [{ role: 'user', content: 'Hello?' }] };
  const answer = await who.request('/v1/chat/completions', { method: 'POST', body });
  const text = await answer.text();
  expect([answer.status, text]).toEqual([status, expect.any(String)]);
  expect(leaksIn('an answer', text, SECRETS)).toEqual([]);
}

async function everybodyAsks(): Promise<void> {
  for (const who of people) for (const model of ['direct', ...(hasEngine ? ['contained'] : [])]) await ask(who, model);
}

async function containers() {
  const filters = { label: [`agent-stack.installation=${router.installationId}`] };
  return docker.listContainers({ all: true, filters });
}

test('the upstreams were called with the keys, so that the searches below mean something', () => {
  const keys = [admins, alices].flatMap(({ requests }) => requests.map(({ headers }) => headers.get('authorization')));
  expect([...new Set(keys)].sort()).toEqual(SECRETS.map((key) => `Bearer ${key}`).sort());
});

test('law 14: no process that runs an agent has an upstream key in its environment', async () => {
  const runners = await router.runners();
  expect(runners).toHaveLength(people.length);
  for (const { leader } of runners) {
    const environment = await readFile(`/proc/${leader?.pid}/environ`, 'latin1');
    expect(environment).toContain('LLM_API_KEY=rk-');
    expect(leaksIn('environ', environment, SECRETS)).toEqual([]);
  }
});

test('law 14: the log at its most talkative, and what agents have written, hold no upstream key', () => {
  const output = router.output();
  expect(output).toContain('"runner.adopted"');
  expect(output).toContain('"level":"debug"');
  expect(leaksIn('the log', output, SECRETS)).toEqual([]);
});

test('law 14: neither the database nor its log, nor a home, nor any other file holds an upstream key', async () => {
  const { files, leaks } = await leaksBelow(router.dataRoot, SECRETS);
  expect(leaks).toEqual([]);
  const names = files.map((path) => basename(path));
  for (const name of ['router.db', 'router.db-wal', 'AGENTS.md']) expect(names).toContain(name);
  // A backup contains the database and its WAL.
  expect(await router.kill('SIGTERM')).toBe(0);
  expect((await leaksBelow(router.dataRoot, SECRETS)).leaks).toEqual([]);
  await router.start();
});

describe.skipIf(!hasEngine)('in containers', () => {
  test('law 14: neither the engine’s description of a container nor its output contains an upstream key', async () => {
    const found = await containers();
    expect(found).toHaveLength(people.length);
    for (const { Id } of found) {
      const container = docker.getContainer(Id);
      const told = await container.inspect();
      expect(told.Config.Env.find((one) => one.startsWith('LLM_API_KEY='))).toStartWith('LLM_API_KEY=rk-');
      const said = await container.logs({ stdout: true, stderr: true });
      expect(leaksIn('inspect', JSON.stringify(told), SECRETS)).toEqual([]);
      expect(leaksIn('logs', said, SECRETS)).toEqual([]);
    }
  });

  test('law 14: an agent that prints its whole environment, and that of all it can see, prints no upstream key', async () => {
    const print = `
      for await (const path of new Bun.Glob('/proc/*/environ').scan('/')) {
        console.log(path, await Bun.file(path).text().catch(() => ''));
      }
      console.log(JSON.stringify(process.env));`;
    for (const { Id } of await containers()) {
      const exec = await docker
        .getContainer(Id)
        .exec({ Cmd: ['bun', '-e', print], AttachStdout: true, AttachStderr: true });
      let printed = '';
      for await (const piece of await exec.start({})) printed += piece.toString('latin1');
      expect(printed).toContain('LLM_API_KEY=rk-');
      expect(leaksIn('its environment', printed, SECRETS)).toEqual([]);
    }
  });
});
