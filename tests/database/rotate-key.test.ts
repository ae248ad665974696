/** The key that encrypts the stored credentials can be changed: by one command, and by two settings. */
import { expect, setDefaultTimeout, test } from 'bun:test';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { runCommand } from '../support/command';
import { memoryBackend, PEOPLE, type Person, SETTINGS, startRouter, type TestRouter } from '../support/router';

/** Only ends a failed test: the command waits for a router that is just ending. */
setDefaultTimeout(60_000);

const SCRIPT = join(import.meta.dir, '../../scripts/rotate-key.ts');
const FIRST = SETTINGS.ENCRYPTION_KEY;
const SECOND = '22'.repeat(32);
const backends = [
  memoryBackend('agent', {
    user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'],
    agent_env: ['SEARCH_KEY'],
  }),
];

const restart = (dataRoot: string, env: Record<string, string>) => startRouter({ backends, dataRoot, env });

/** A router with a stored credential and a running runner, stopped again. */
async function stopped(): Promise<{ dataRoot: string; runners: string[] }> {
  const router = await startRouter({ backends });
  const alice = await router.person(PEOPLE.alice);
  for (const [name, value] of [
    ['LLM_BASE_URL', 'http://127.0.0.1:9/v1'],
    ['LLM_API_KEY', 'sk-of-alice-0123456789'],
    ['LLM_MODEL', 'small'],
  ]) {
    await alice.request(`/api/me/env-overrides/${name}`, { method: 'PUT', body: { value } });
  }
  const search = { method: 'PUT', body: { value: 'search-key-0123456789' } };
  expect((await alice.request(`/api/agents/${await agentOf(alice)}/env/SEARCH_KEY`, search)).status).toBe(200);
  expect(await chat(router)).toBe(200);
  await router.stop();
  return { dataRoot: router.dataRoot, runners: [...router.platform.runners.keys()] };
}

/** Opens the credential, the variable of the agent, and the access key of the runner that still runs. */
async function expectReadable(router: TestRouter, runners: readonly string[]): Promise<void> {
  const alice = await router.person(PEOPLE.alice);
  const { overrides } = await (await alice.request('/api/me/env-overrides')).json();
  expect(overrides[''].LLM_API_KEY).toEndWith('6789');
  const { env } = await (await alice.request(`/api/agents/${await agentOf(alice)}/settings`)).json();
  expect(env).toEqual([{ name: 'SEARCH_KEY', secret: true, shown: expect.stringMatching(/6789$/) }]);
  expect(await chat(router)).toBe(200);
  expect([...router.platform.runners.keys()]).toEqual([...runners]);
}

async function agentOf(person: Person): Promise<string> {
  return (await (await person.request('/api/agents')).json()).agents[0].id;
}

async function chat(router: TestRouter): Promise<number> {
  const alice = await router.person(PEOPLE.alice);
  const body = { model: 'agent', messages: [{ role: 'user', content: 'Hello' }] };
  return (await alice.request('/v1/chat/completions', { method: 'POST', body })).status;
}

/** A folder with an `.env` like that of the first start. */
async function folderWith(settings: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-stack-rotate-'));
  await writeFile(
    join(folder, '.env'),
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  await chmod(join(folder, '.env'), 0o600);
  return folder;
}

async function rotateIn(folder: string): Promise<{ exitCode: number; told: string; key: string | undefined }> {
  const env = { PATH: process.env.PATH ?? '' };
  const { code, out, errors } = await runCommand([process.execPath, SCRIPT], { cwd: folder, env });
  const text = await readFile(join(folder, '.env'), 'utf8');
  return { exitCode: code, told: out + errors, key: /^ENCRYPTION_KEY=(\S+)$/m.exec(text)?.[1] };
}

test('one command seals everything under a new key, which is in .env and nowhere else', async () => {
  const { dataRoot, runners } = await stopped();
  const folder = await folderWith({ ...SETTINGS, STACK_DATA_ROOT: dataRoot });
  const { exitCode, told, key = '' } = await rotateIn(folder);
  expect([exitCode, told]).toEqual([0, expect.stringContaining('sealed under a new ENCRYPTION_KEY')]);
  expect(key).not.toBe(FIRST);
  expect(told).not.toContain(key);
  expect(await readFile(join(folder, '.env'), 'utf8')).not.toContain(FIRST);
  expect((await stat(join(folder, '.env'))).mode & 0o777).toBe(0o600);

  await expect(restart(dataRoot, {})).rejects.toThrow('ENCRYPTION_KEY is not the one');
  await using router = await restart(dataRoot, { ENCRYPTION_KEY: key });
  await expectReadable(router, runners);
  await rm(folder, { recursive: true });
});

test.each([
  ['a line with a colon', '\n', `ENCRYPTION_KEY : ${FIRST}`],
  ['lines that end in CR alone', '\r', `ENCRYPTION_KEY=${FIRST}`],
  ['lines that end in CR and LF', '\r\n', `export ENCRYPTION_KEY="${FIRST}"`],
])('the former key leaves .env, and every other setting stays: %s', async (_, end, line) => {
  const { dataRoot } = await stopped();
  const folder = await folderWith({});
  const { ENCRYPTION_KEY, ...rest } = { ...SETTINGS, STACK_DATA_ROOT: dataRoot };
  const others = Object.entries(rest).map(([name, value]) => `${name}=${value}`);
  await writeFile(join(folder, '.env'), [others[0], line, ...others.slice(1), ''].join(end));
  const { exitCode, key = '' } = await rotateIn(folder);
  expect([exitCode, key]).toEqual([0, expect.stringMatching(/^[0-9a-f]{64}$/)]);
  const text = await readFile(join(folder, '.env'), 'utf8');
  expect(text).not.toContain(FIRST);
  expect(parseEnv(text)).toEqual({ ...rest, ENCRYPTION_KEY: key });
  await (await restart(dataRoot, { ENCRYPTION_KEY: key })).stop();
  await rm(folder, { recursive: true });
});

test('a key that refers to another variable is not changed, and the command says so', async () => {
  const { dataRoot } = await stopped();
  const settings = { ...SETTINGS, STACK_DATA_ROOT: dataRoot, KEY_OF_THE_VAULT: FIRST };
  const folder = await folderWith({ ...settings, ENCRYPTION_KEY: '$KEY_OF_THE_VAULT' });
  const told = expect.stringContaining('refers to another variable');
  expect(await rotateIn(folder)).toEqual({ exitCode: 1, told, key: '$KEY_OF_THE_VAULT' });
  await rm(folder, { recursive: true });
});

test('a start with the new key and the previous one encrypts everything again, once', async () => {
  const { dataRoot, runners } = await stopped();
  const both = { ENCRYPTION_KEY: SECOND, ENCRYPTION_KEY_PREVIOUS: FIRST };
  await (await restart(dataRoot, both)).stop();
  await (await restart(dataRoot, both)).stop();
  await using router = await restart(dataRoot, { ENCRYPTION_KEY: SECOND });
  await expectReadable(router, runners);
});

test('a former key that is not the database’s is refused, and nothing is changed', async () => {
  const { dataRoot, runners } = await stopped();
  const wrong = restart(dataRoot, { ENCRYPTION_KEY: SECOND, ENCRYPTION_KEY_PREVIOUS: '33'.repeat(32) });
  await expect(wrong).rejects.toThrow('ENCRYPTION_KEY is not the one');
  await using router = await restart(dataRoot, {});
  await expectReadable(router, runners);
});

test('a command that was interrupted is ended by the next one', async () => {
  const { dataRoot, runners } = await stopped();
  const folder = await folderWith({
    ...SETTINGS,
    STACK_DATA_ROOT: dataRoot,
    ENCRYPTION_KEY: SECOND,
    ENCRYPTION_KEY_PREVIOUS: FIRST,
  });
  const { exitCode, key = '' } = await rotateIn(folder);
  expect(exitCode).toBe(0);
  await using router = await restart(dataRoot, { ENCRYPTION_KEY: key });
  await expectReadable(router, runners);
  await rm(folder, { recursive: true });
});

test('the command changes nothing while a router uses the database, and says where else a key may be', async () => {
  await using router = await startRouter({ backends });
  const folder = await folderWith({ ...SETTINGS, STACK_DATA_ROOT: router.dataRoot });
  expect(await rotateIn(folder)).toMatchObject({ exitCode: 1, told: expect.stringContaining('Stop it'), key: FIRST });
  const { ENCRYPTION_KEY, ...rest } = SETTINGS;
  await writeFile(
    join(folder, '.env'),
    Object.entries(rest)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  expect(await rotateIn(folder)).toMatchObject({
    exitCode: 1,
    told: expect.stringContaining('ENCRYPTION_KEY_PREVIOUS'),
  });
  await rm(folder, { recursive: true });
});
