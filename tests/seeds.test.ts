/** The seeds: each renders with what its entry gives it, into files that its runtime can read and nobody else. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseEnv } from 'node:util';
import entries from '../backends.json';
import { prepareHome } from '../router/agents/homes';
import { type Backend, BackendRegistry } from '../router/backends/backends';
import { repositoryRoot } from '../router/config/root';
import { runnerEnv } from '../router/runners/start/spec';
import { at } from './support/runtimes/twin';

/** Values as hostile as users may make them. */
const USER = { id: 'u1', email: 'o\'hara"@example.org', name: `Ann "\${LLM_API_KEY}" O'Hara: #1`, slug: 'ann' };
const KEY = 'rk-0123456789';
const MODEL = 'vendor/model:1.0 "x" #y';
const isRoot = process.getuid?.() === 0;

let folder: string;
let backends: readonly Backend[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-stack-seeds-'));
  backends = BackendRegistry.load(join(repositoryRoot, 'backends.json')).all();
});
afterAll(() => rm(folder, { recursive: true }));

const seedOf = (backend: Backend) => join(repositoryRoot, 'seeds', backend.seedSubdir ?? '');
const filesIn = async (path: string) =>
  (await Array.fromAsync(new Bun.Glob('**/*').scan({ cwd: path, dot: true }))).sort();

function find(name: string): Backend {
  const backend = backends.find((one) => one.name === name);
  if (!backend) throw new Error(`premise: ${name} is a backend`);
  return backend;
}

/** A home as the first start makes it; its path. */
async function render(backend: Backend): Promise<string> {
  const agent = { id: backend.name, userId: USER.id } as Parameters<typeof runnerEnv>[0]['agent'];
  const user = USER as Parameters<typeof runnerEnv>[0]['user'];
  const routerUrl = 'http://172.17.0.1:18080';
  const keys = { accessKey: 'ak-0123456789', runnerKey: KEY, callbackToken: 'ck-0123456789' };
  const values = [{ name: 'LLM_MODEL', source: 'global', value: MODEL }] as const;
  const { path } = await prepareHome({
    homesRoot: join(folder, 'homes'),
    agentId: agent.id,
    seedDir: seedOf(backend),
    templatedFiles: backend.templatedFiles,
    variables: runnerEnv({ agent, user, backend, routerUrl, ...keys, values, variables: {} }),
    ...(isRoot && { owner: backend.homeOwner }),
  });
  return path;
}

/** What a file says to the reader of its format. */
function parse(path: string, text: string): unknown {
  if (path.endsWith('.json')) return JSON.parse(text);
  if (path.endsWith('.yaml')) return Bun.YAML.parse(text);
  if (path.endsWith('.env')) return parseEnv(text);
  return text;
}

const read = async (home: string, path: string) => parse(path, await Bun.file(join(home, path)).text());

describe.each(entries.map(({ name }) => name))('%s', (name) => {
  test('every file of its seed parses when it is rendered, and no placeholder is left', async () => {
    const backend = find(name);
    const home = await render(backend);
    const files = await filesIn(home);
    expect(files).toEqual(await filesIn(seedOf(backend)));
    for (const file of files) {
      const said = JSON.stringify(await read(home, file)).replaceAll(JSON.stringify(USER.name).slice(1, -1), '');
      expect([file, /\$\{[A-Z_]/.test(said)]).toEqual([file, false]);
    }
  });

  test('only its owner can read its home', async () => {
    const backend = find(name);
    const home = await render(backend);
    for (const file of await filesIn(home)) {
      for (let path = join(home, file); path.startsWith(home); path = dirname(path)) {
        const { mode, uid, gid } = await stat(path);
        expect([path, mode & 0o077]).toEqual([path, 0]);
        if (isRoot) expect([path, uid, gid]).toEqual([path, backend.homeOwner?.uid ?? 0, backend.homeOwner?.gid ?? 0]);
      }
    }
  });

  test('its seed holds no key, and each placeholder stands in a file that is rendered', async () => {
    const backend = find(name);
    for (const file of await filesIn(seedOf(backend))) {
      const text = await Bun.file(join(seedOf(backend), file)).text();
      expect([file, /\b(sk|rk|ak)-\w{6}|[0-9a-f]{32}/.test(text)]).toEqual([file, false]);
      if (text.includes('${')) expect(backend.templatedFiles).toContain(file);
    }
  });

  test('each of its skills says in front matter what it is called and when to read it', async () => {
    const seed = seedOf(find(name));
    for (const file of (await filesIn(seed)).filter((path) => path.endsWith('/SKILL.md'))) {
      const [, matter = ''] = /^---\n(.*?)\n---\n/s.exec(await Bun.file(join(seed, file)).text()) ?? [];
      expect(Bun.YAML.parse(matter)).toEqual({
        name: dirname(file).split('/').at(-1),
        description: expect.stringMatching(/\w{4}/),
      });
    }
  });
});

const ENDPOINT = ['http://172.17.0.1:18080/upstream/v1', KEY, MODEL];

test('openclaw finds the broker, its port and its instructions where it looks for them', async () => {
  const home = await render(find('openclaw'));
  const config = await read(home, 'openclaw.json');
  const provider = at(config, 'models.providers.upstream');
  expect([at(provider, 'baseUrl'), at(provider, 'apiKey'), at(provider, 'models.0.id')]).toEqual(ENDPOINT);
  expect(at(config, 'agents.defaults.model.primary')).toBe(`upstream/${MODEL}`);
  expect(at(config, 'gateway.port')).toBe(find('openclaw').internalPort);
  expect(Object.keys(at(config, 'agents.entries') as object)).toEqual(['main']);
  const off = ['gateway.controlUi.enabled', 'plugins.enabled', 'cron.enabled', 'update.checkOnStart'];
  for (const path of off) expect([path, at(config, path)]).toEqual([path, false]);
  expect(at(await read(home, 'agents/main/agent/settings.json'), 'retry.provider.maxRetries')).toBe(0);
  expect(await read(home, 'workspace/AGENTS.md')).toContain(USER.name);
});

test('hermes finds the broker for itself and for every side job', async () => {
  const backend = find('hermes-agent');
  const home = await render(backend);
  const config = await read(home, 'config.yaml');
  const [base_url, api_key, model] = ENDPOINT;
  const endpoint = { provider: 'custom', model, base_url, api_key, context_length: 128_000 };
  expect(at(config, 'model')).toEqual(endpoint);
  expect(at(config, 'delegation')).toEqual(endpoint);
  for (const job of Object.values(at(config, 'auxiliary') as object)) expect(job).toEqual(endpoint);
  expect(await read(home, '.env')).toEqual({ OPENAI_BASE_URL: base_url, OPENAI_API_KEY: api_key });
  expect(backend.extraEnv.API_SERVER_PORT).toBe(String(backend.internalPort));
  expect(at(config, 'terminal.cwd')).toBe(`${backend.mountTarget}/workspace`);
});

test('nanobot finds the broker, its access key and a workspace in its home', async () => {
  const backend = find('nanobot');
  const config = await read(await render(backend), 'config.json');
  const provider = at(config, 'providers.openai');
  expect([at(provider, 'apiBase'), at(provider, 'apiKey'), at(config, 'agents.defaults.model')]).toEqual(ENDPOINT);
  expect(at(config, 'api')).toMatchObject({ host: '0.0.0.0', port: backend.internalPort, apiKey: 'ak-0123456789' });
  expect(at(config, 'agents.defaults.workspace')).toBe(`${backend.mountTarget}/workspace`);
});

test('the program that speaks unasked is the same in every seed that has one', async () => {
  const paths = await Array.fromAsync(new Bun.Glob('seeds/**/say.py').scan({ cwd: repositoryRoot, dot: true }));
  expect(paths.length).toBeGreaterThan(1);
  const texts = await Promise.all(paths.map((path) => Bun.file(join(repositoryRoot, path)).text()));
  expect(new Set(texts).size).toBe(1);
});
