/** `bun run import` from a data root of the first agent-stack, and what its users find afterwards. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runImport } from '../support/importing';
import { makePredecessor, OLD, OLD_KEY, OLD_PASSWORDS } from '../support/predecessor';
import { memoryBackend, type Person, startRouter, type TestRouter } from '../support/router';
import { completion, scriptedRunner } from '../support/scripted-runner';

/** Ends only a test that has failed: processes start slowly on a busy machine. */
setDefaultTimeout(60_000);

const runner = scriptedRunner('imported');
runner.reply = () => completion('Welcome back.');
const backends = [
  memoryBackend('helper', { user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] }, runner.program),
];
const folder = mkdtempSync(join(tmpdir(), 'agent-stack-test-'));
const old = join(folder, 'old');
const target = join(folder, 'new');
let router: TestRouter;
let report: Awaited<ReturnType<typeof importFrom>>;

const importFrom = (from: string, { to = target, args = [] }: { to?: string; args?: string[] } = {}) =>
  runImport({ from, to, backends, args });

/** Every file below a folder with its content, to compare. */
function filesOf(root: string, within = ''): Record<string, string> {
  const files: Record<string, string> = {};
  for (const name of existsSync(join(root, within)) ? readdirSync(join(root, within)).sort() : []) {
    const path = join(within, name);
    const stat = lstatSync(join(root, path));
    if (stat.isDirectory()) Object.assign(files, filesOf(root, path));
    else files[path] = stat.isSymbolicLink() ? 'a link' : readFileSync(join(root, path)).toString('base64');
  }
  return files;
}

const signedIn = (email: keyof typeof OLD_PASSWORDS): Promise<Person> =>
  router.person({ email, name: '', password: OLD_PASSWORDS[email] });
/** Waits for an import that is refused with this sentence. */
async function refused(importing: ReturnType<typeof importFrom>, sentence: string): Promise<void> {
  const { said, isDone } = await importing;
  expect(isDone).toBe(false);
  expect(said).toContain(sentence);
}
const get = async (who: Person, path: string) => (await who.request(path)).json();

beforeAll(async () => {
  await makePredecessor(old, 'helper');
  const before = filesOf(old);
  report = await importFrom(old);
  expect(report).toMatchObject({ isDone: true });
  expect(filesOf(old)).toEqual(before);
  router = await startRouter({
    dataRoot: target,
    backends,
    env: { BOOTSTRAP_ADMIN_EMAIL: '', BOOTSTRAP_ADMIN_PASSWORD: '', ALLOW_SIGNUP: 'false' },
  });
});
afterAll(async () => {
  await router?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test('everybody signs in with the old password, also one of more than 72 bytes, and is who they were', async () => {
  for (const email of Object.keys(OLD_PASSWORDS) as (keyof typeof OLD_PASSWORDS)[]) {
    const { user } = await get(await signedIn(email), '/auth/me');
    expect(user).toMatchObject({ email, role: email === 'admin@local' ? 'admin' : 'user' });
  }
  const wrong = { email: 'anna@example.org', password: `${'ä'.repeat(35)}x` };
  expect((await router.request('/auth/login', { method: 'POST', body: wrong })).status).toBe(401);
});

test('an old password is hashed anew when its user signs in', async () => {
  await signedIn('ben@example.org');
  await router.stop();
  const { Database } = await import('bun:sqlite');
  using db = new Database(join(target, 'router.db'), { readonly: true });
  const hashes = db.query('SELECT email, password_hash AS hash FROM users').all();
  expect(hashes).toContainEqual({ email: 'ben@example.org', hash: expect.stringMatching(/^\$argon2id\$/) });
  router = await startRouter({
    dataRoot: target,
    backends,
    env: { BOOTSTRAP_ADMIN_EMAIL: '', BOOTSTRAP_ADMIN_PASSWORD: '' },
  });
  await signedIn('ben@example.org');
});

test('conversations keep their ids, agents, titles and the order of their messages, also within one second', async () => {
  const anna = await signedIn('anna@example.org');
  const { conversations } = await get(anna, '/api/conversations');
  const titles = conversations.map(({ id, title, agent_id }: Record<string, string>) => [id, title, agent_id]);
  expect(titles.sort()).toEqual([
    [OLD.long, 'Eight in a second', OLD.annasAgent],
    [OLD.roles, 'Say everything', OLD.annasSecond],
    [OLD.empty, '', OLD.annasAgent],
  ]);
  const { messages } = await get(anna, `/api/conversations/${OLD.long}`);
  expect(messages.map(({ content }: { content: string }) => content)).toEqual(
    [1, 2, 3, 4, 5, 6, 7, 8].map((line) => `line ${line}`),
  );
});

test('an error of the old page is a failed answer, a long answer stays whole, and a notice is reported as left out', async () => {
  const anna = await signedIn('anna@example.org');
  const { messages } = await get(anna, `/api/conversations/${OLD.roles}`);
  expect(messages).toHaveLength(3);
  expect(messages[1]).toMatchObject({ content: expect.stringContaining('Request failed: 503') });
  expect(messages[2].content).toBe(`long ${'answer '.repeat(60_000)}end`);
  expect(report.said).toContain('A background job has ended');
});

test('the next message tells the runtime what was said before', async () => {
  const anna = await signedIn('anna@example.org');
  const asked = runner.requests.length;
  await anna.request(`/conversations/${OLD.long}/messages`, {
    method: 'POST',
    body: new URLSearchParams({ text: 'Do you remember?' }),
  });
  const { text } = await runner.request(asked + 1);
  expect(JSON.parse(text).messages.map(({ content }: { content: string }) => content)).toEqual([
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((line) => `line ${line}`),
    'Do you remember?',
  ]);
});

test('a conversation without an agent gets one, and one whose agent was deleted is reported', async () => {
  const ben = await signedIn('ben@example.org');
  const { conversations } = await get(ben, '/api/conversations');
  expect(conversations).toMatchObject([{ id: OLD.withoutAgent, title: 'From before agents' }]);
  expect(report.said).toContain(`${OLD.orphan}: Its agent is gone`);
});

test('credentials and shares apply, and those that cannot are reported without their value', async () => {
  const anna = await signedIn('anna@example.org');
  const { effective } = await get(anna, '/api/me/env-overrides');
  expect(effective.helper).toMatchObject({ LLM_API_KEY: { source: 'shared' }, LLM_MODEL: { source: 'backend' } });
  expect((await get(anna, '/api/backends')).backends).toMatchObject([{ name: 'helper', idle_seconds: 0 }]);
  expect(report.said).toContain('LLM_MODEL of Anna@example.org for retired: backends.json has no such backend');
  expect(report.said).toContain('LLM_BASE_URL of ben@example.org');
  expect(report.said).not.toContain(OLD_KEY);
});

test('homes are copied by agent: links stay links, and files that hold the LLM key stay behind', () => {
  const homes = join(target, 'homes');
  expect(Object.keys(filesOf(join(homes, OLD.annasAgent))).sort()).toEqual([
    'notes.md',
    'passwd',
    'skills/tea/SKILL.md',
    'workspace/AGENTS.imported.md',
  ]);
  expect(lstatSync(join(homes, OLD.annasAgent, 'passwd')).isSymbolicLink()).toBe(true);
  expect(lstatSync(join(homes, OLD.annasAgent)).mode & 0o777).toBe(0o700);
  expect(Object.keys(filesOf(join(homes, OLD.annasSecond)))).toEqual(['memory.txt']);
  for (const left of ['helper/logs/calls.log', 'helper/openclaw.json', 'users/anna/helper-a3', 'users/ghost/helper'])
    expect(report.said).toContain(left);
});

test('accounts of one address in two spellings become the older one, and rooms are kept as JSON', () => {
  expect(report.said).toContain('anna@EXAMPLE.org: the same address as Anna@example.org');
  const rooms = JSON.parse(readFileSync(join(target, 'imported-rooms.json'), 'utf8'));
  expect(rooms).toMatchObject([{ title: 'Team room', messages: [{ content: 'Hello, room' }] }]);
  expect(report.said).toContain('docker rm -f');
});

test('a second import changes nothing, and a dry run writes nothing', async () => {
  const again = join(folder, 'again');
  const dry = await importFrom(old, { to: again, args: ['--dry-run'] });
  expect(dry.isDone).toBe(true);
  expect(dry.said).toContain('nothing was changed');
  expect(dry.said).toContain('3  users');
  expect(filesOf(again)).toEqual({});
  await importFrom(old, { to: again });
  const rows = await rowsOf(again);
  expect((await importFrom(old, { to: again })).said).toContain('nothing new');
  expect(await rowsOf(again)).toEqual(rows);
});

/** Every row of the tables that an import writes. */
async function rowsOf(root: string): Promise<unknown[]> {
  const { Database } = await import('bun:sqlite');
  using db = new Database(join(root, 'router.db'));
  return ['users', 'agents', 'conversations', 'messages', 'message_pieces', 'credentials', 'idle_preferences'].map(
    (table) => db.query(`SELECT * FROM ${table} ORDER BY rowid`).all(),
  );
}

test('an import is refused, and nothing is written, where it would mix or where there is nothing to import', async () => {
  const used = join(folder, 'used');
  mkdirSync(used);
  const first = await startRouter({ dataRoot: used, backends });
  await refused(importFrom(old, { to: used }), 'Another router uses');
  await first.stop();
  await refused(importFrom(old, { to: used }), 'already has accounts');
  await refused(importFrom(old, { to: old }), 'is the old data root');
  await refused(importFrom(used), 'not a database of the first');
  await refused(importFrom(join(folder, 'nowhere')), 'does not exist');
  await refused(importFrom(old, { args: ['--dryrun'] }), 'Usage');
});
