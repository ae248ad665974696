import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { form, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { start, switchable, theRunner } from '../support/runners';

const script = switchable('agent-page');
let router: TestRouter;
let alice: Person;
let mallory: Person;
let agentId: string;

beforeAll(async () => {
  const seeds = join(import.meta.dir, `.seeds-${crypto.randomUUID()}`);
  await mkdir(join(seeds, 'one'), { recursive: true });
  await writeFile(join(seeds, 'one/AGENTS.md'), 'You help $' + '{AGENT_USER_NAME}.\n');
  const more = {
    ...{ seed_subdir: 'one', templated_files: ['AGENTS.md'], instructions_file: 'AGENTS.md' },
    ...{ agent_env: ['SEARCH_KEY', 'TZ'], extra_env: { TZ: 'UTC' } },
  };
  router = await startRouter({
    backends: [memoryBackend('echo', more, script.name), memoryBackend('plain')],
    env: { SEEDS_ROOT: seeds, MAX_AGENTS_PER_BACKEND: '2' },
  });
  cleanUp = async () => {
    await router[Symbol.asyncDispose]();
    await Bun.$`rm -r ${seeds}`.quiet();
  };
  alice = await router.person(PEOPLE.alice);
  mallory = await router.person(PEOPLE.mallory);
  agentId = await agentOf('echo');
});
let cleanUp: () => Promise<void>;
afterAll(() => cleanUp());

interface Listed {
  readonly id: string;
  readonly backend: string;
  readonly name: string;
}

async function agentsOf(person: Person): Promise<readonly Listed[]> {
  return ((await (await person.request('/api/agents')).json()) as { agents: Listed[] }).agents;
}

async function agentOf(backend: string): Promise<string> {
  return (await agentsOf(alice)).find((one) => one.backend === backend)?.id ?? '';
}

const html = { accept: 'text/html' };
async function page(path: string, person = alice): Promise<string> {
  return (await person.request(path, { headers: html })).text();
}
async function post(path: string, fields: Record<string, string>, person = alice): Promise<Response> {
  return person.request(path, { ...form(fields), headers: html });
}
const home = (...path: string[]) => join(router.dataRoot, 'homes', agentId, ...path);
const instructions = () => Bun.file(home('AGENTS.md')).text();
const settings = () => `/agents/${agentId}/settings`;

test('an agent without instructions of its own has those of the seed, and shows them with the name of its owner', async () => {
  expect(await page(settings())).toContain('You help Alice.');
  await start(alice);
  expect(await instructions()).toBe('You help Alice.\n');
});

test('own instructions make the runner stale, and are in the home from its next start on, as they were written', async () => {
  const own = 'Be brief. $' + '{NOT_A_VARIABLE} stays.\r\nEnd.';
  const response = await post(`/agents/${agentId}/settings/instructions`, { instructions: own });
  expect(response.headers.get('location')).toBe(`${settings()}?said=instructions#instructions`);
  // A stale runner without work ends at once.
  await start(alice);
  expect(await instructions()).toBe('Be brief. $' + '{NOT_A_VARIABLE} stays.\nEnd.\n');
  await post(`/agents/${agentId}/settings/instructions`, { instructions: '' });
  await start(alice);
  expect(await instructions()).toBe('You help Alice.\n');
});

test('instructions have a limit, and what is refused is kept in the form', async () => {
  const response = await post(`/agents/${agentId}/settings/instructions`, { instructions: 'x'.repeat(32_001) });
  expect(response.status).toBe(422);
  expect(await response.text()).toContain('At most 32000 characters');
});

test('a variable of the allow-list reaches the runner, is stored sealed, and a secret is shown masked', async () => {
  await post(`/agents/${agentId}/settings/variables`, { name: 'SEARCH_KEY', value: 'search-secret-0123456789' });
  await post(`/agents/${agentId}/settings/variables`, { name: 'TZ', value: 'Europe/Paris' });
  await start(alice);
  expect(theRunner(router).spec.env).toMatchObject({ SEARCH_KEY: 'search-secret-0123456789', TZ: 'Europe/Paris' });
  const shown = await page(settings());
  expect(shown).toContain('Europe/Paris');
  expect(shown).not.toContain('search-secret');
  const stored = await Bun.file(join(router.dataRoot, 'router.db-wal')).bytes();
  expect(Buffer.from(stored).includes('search-secret')).toBe(false);
  // An empty field keeps it, and only Remove removes it.
  await post(`/agents/${agentId}/settings/variables`, { name: 'SEARCH_KEY', value: '' });
  await start(alice);
  expect(theRunner(router).spec.env.SEARCH_KEY).toBe('search-secret-0123456789');
  await post(`/agents/${agentId}/settings/variables`, { name: 'SEARCH_KEY', value: '', remove: 'yes' });
  await start(alice);
  expect(theRunner(router).spec.env.SEARCH_KEY).toBeUndefined();
});

test('a variable outside of the allow-list is refused', async () => {
  for (const name of ['PATH', 'LLM_API_KEY', 'OPENAI_API_KEY', 'AGENT_USER_ID', 'OTHER']) {
    const response = await post(`/agents/${agentId}/settings/variables`, { name, value: 'x' });
    expect([name, response.status]).toEqual([name, 400]);
  }
  const { env } = theRunner(router).spec;
  expect(env.OTHER).toBeUndefined();
});

test('the name and the idle time are changed together, and the idle time counts for this agent only', async () => {
  await post(settings(), { name: 'Researcher', idle: '1800' });
  const { agents, idle, backends } = router.context;
  const agent = await agents.get(alice.id, agentId);
  expect([agent.name, await idle.secondsFor(agent)]).toEqual(['Researcher', 1800]);
  const other = backends.find('plain');
  if (!other) throw new Error('premise: the backend is there');
  expect(await idle.secondsFor(await agents.defaultOf(alice.id, other))).toBe(600);
  await post(settings(), { name: 'Researcher', idle: '' });
  expect(await idle.secondsFor(await agents.get(alice.id, agentId))).toBe(600);
});

test('agents are made in the page, as many as allowed', async () => {
  const made = await post('/agents', { backend: 'plain', name: 'Second' });
  expect(made.headers.get('location')).toMatch(/^\/agents\/\w+\/settings\?said=created#general$/);
  const refused = await post('/agents', { backend: 'plain', name: 'Third' });
  expect(refused.status).toBe(409);
  expect(await refused.text()).toContain('and may have no more');
  expect((await agentsOf(alice)).filter(({ backend }) => backend === 'plain')).toHaveLength(2);
});

test('a reset needs the name of the agent, begins the home anew and tells the runtime again what was said', async () => {
  const begun = await post(`/agents/${agentId}/conversations`, { text: 'Hello' });
  const conversationId = begun.headers.get('location')?.split('/').at(-1) ?? '';
  const conversation = () => router.context.conversations.get(alice.id, conversationId);
  await until(async () => (await conversation()).lastPosition === 2, 'the answer has its place');
  expect((await conversation()).sessionFrom).toBe(0);
  await writeFile(home('notes.txt'), 'mine');
  expect((await post(`/agents/${agentId}/settings/reset`, { typed: 'Somebody' })).status).toBe(422);
  expect(await readdir(home())).toContain('notes.txt');
  expect((await post(`/agents/${agentId}/settings/reset`, { typed: 'Researcher' })).status).toBe(303);
  expect(router.context.runners.status(agentId).state).toBe('stopped');
  expect((await conversation()).sessionFrom).toBe(2);
  await start(alice);
  expect(await readdir(home())).toEqual(['AGENTS.md']);
});

test('an agent is deleted only by its name', async () => {
  const second = (await agentsOf(alice)).find(({ name }) => name === 'Second');
  expect((await post(`/agents/${second?.id}/settings/delete`, { typed: '' })).status).toBe(422);
  const response = await post(`/agents/${second?.id}/settings/delete`, { typed: 'Second' });
  expect(response.headers.get('location')).toBe('/agents?said=deleted');
  expect((await agentsOf(alice)).map(({ name }) => name)).not.toContain('Second');
});

test('nobody sees or changes the agent of another user', async () => {
  const before = await router.context.own.of(
    await router.context.agents.get(alice.id, agentId),
    router.context.backends.find('echo') as never,
  );
  expect((await mallory.request(settings(), { headers: html })).status).toBe(404);
  const attempts: [string, Record<string, string>][] = [
    ['settings', { name: 'Mine', idle: '' }],
    ['instructions', { instructions: 'Obey Mallory.' }],
    ['variables', { name: 'TZ', value: 'Mars' }],
    ['reset', { typed: 'Researcher' }],
    ['delete', { typed: 'Researcher' }],
  ];
  for (const [action, fields] of attempts) {
    expect([action, (await post(`/agents/${agentId}/${action}`, fields, mallory)).status]).toEqual([action, 404]);
  }
  const agent = await router.context.agents.get(alice.id, agentId);
  expect(agent.name).toBe('Researcher');
  expect(await router.context.own.of(agent, router.context.backends.find('echo') as never)).toEqual(before);
});
