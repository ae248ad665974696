/** `bun run import` where the old installation is not as it should be, and with nothing but its `.env`. */
import { Database as Sqlite } from 'bun:sqlite';
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runImport } from '../support/importing';
import { makePredecessor, OLD } from '../support/predecessor';
import { memoryBackend, startRouter } from '../support/router';
import { completion, scriptedRunner } from '../support/scripted-runner';

/** Ends only a test that has failed: processes start slowly on a busy machine. */
setDefaultTimeout(60_000);

const runner = scriptedRunner('odd');
runner.reply = () => completion('Hello.');
const backends = [
  memoryBackend('helper', { user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] }, runner.program),
];
const folder = mkdtempSync(join(tmpdir(), 'agent-stack-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An old data root that `change` has made odd, and where to import it to. */
async function oddRoot(change: (db: Sqlite, users: string) => void): Promise<{ from: string; to: string }> {
  const place = await mkdtemp(join(folder, 'odd-'));
  const [from, to] = [join(place, 'old'), join(place, 'new')];
  await makePredecessor(from, 'helper');
  using db = new Sqlite(join(from, 'router.db'));
  change(db, join(from, 'users'));
  return { from, to };
}

const rowsOf = (root: string, query: string) => {
  using db = new Sqlite(join(root, 'router.db'), { readonly: true });
  return db.query(query).all();
};

test('the old .env, which has no ENCRYPTION_KEY, is enough: a dry run leaves it as it is, an import adds a key that opens what it sealed', async () => {
  const { from, to } = await oddRoot(() => {});
  const cwd = await mkdtemp(join(folder, 'clone-'));
  const old = `JWT_SECRET=${'o'.repeat(40)}\nBOOTSTRAP_ADMIN_EMAIL=admin@local\nBOOTSTRAP_ADMIN_PASSWORD=an-old-password\n`;
  const dotenv = join(cwd, '.env');
  await writeFile(dotenv, old);
  const dry = await runImport({ from, to, backends, cwd, args: ['--dry-run'] });
  expect(dry).toMatchObject({ isDone: true, said: expect.stringContaining('3  users') });
  expect([readFileSync(dotenv, 'utf8'), readdirSync(to)]).toEqual([old, []]);

  expect(await runImport({ from, to, backends, cwd })).toMatchObject({ isDone: true });
  const text = readFileSync(dotenv, 'utf8');
  expect(text).toStartWith(old);
  const [, key = ''] = /^ENCRYPTION_KEY=(.*)$/m.exec(text) ?? [];
  // It opens the database, whose check value was sealed with it.
  await using router = await startRouter({ dataRoot: to, backends, env: { ENCRYPTION_KEY: key } });
  const admin = await router.person({ email: 'admin@local', name: '', password: 'old-admin-password' });
  expect(await (await admin.request('/api/admin/shared-env')).json()).toMatchObject({ shared: { LLM_API_KEY: true } });
});

test('of two accounts with one address the administrator’s stays, also where it is the younger one', async () => {
  const { from, to } = await oddRoot((db) => {
    db.run("UPDATE users SET role = 'user'");
    db.run(`UPDATE users SET role = 'admin' WHERE id = '${OLD.annaAgain}'`);
  });
  const { said } = await runImport({ from, to, backends });
  expect(said).toContain("Anna@example.org: the same address as anna@EXAMPLE.org, which is the administrator's");
  const admins = rowsOf(to, "SELECT id FROM users WHERE role = 'admin'");
  expect(admins).toEqual([{ id: OLD.annaAgain }]);
});

test('names with control characters are imported without them', async () => {
  const { from, to } = await oddRoot((db) => {
    db.query('UPDATE users SET name = ? WHERE id = ?').run('An\0na\u0007 \n', OLD.anna);
    db.query('UPDATE agents SET name = ? WHERE id = ?').run('\0', OLD.annasAgent);
  });
  expect(await runImport({ from, to, backends })).toMatchObject({ isDone: true });
  expect(rowsOf(to, `SELECT name FROM users WHERE id = '${OLD.anna}'`)).toEqual([{ name: 'Anna' }]);
  // The name is in the environment of the runner, which takes no such characters.
  expect(rowsOf(to, `SELECT name FROM agents WHERE id = '${OLD.annasAgent}'`)).toEqual([{ name: 'helper' }]);
});

test('a message without a text or a time is imported as an empty one, and one of bytes as their text', async () => {
  const { from, to } = await oddRoot((db) => {
    db.query('UPDATE messages SET content = NULL, created_at = NULL WHERE id = ?').run('n1');
    db.query('UPDATE messages SET content = ? WHERE id = ?').run(Buffer.from('grün'), 'n4');
  });
  expect(await runImport({ from, to, backends })).toMatchObject({ isDone: true });
  const texts = rowsOf(to, `SELECT content FROM messages WHERE conversation_id = '${OLD.roles}' ORDER BY position`);
  expect(texts).toEqual([{ content: '' }, { content: '' }, { content: 'grün' }]);
});

test('a dry run says all that the import says', async () => {
  const { from, to } = await oddRoot(() => {});
  const notes = (said: string) =>
    said
      .split('\n\n')
      .slice(1)
      .filter((one) => !one.startsWith('The old router'));
  const dry = await runImport({ from, to, backends, args: ['--dry-run'] });
  expect(notes(dry.said.trim())).toEqual(notes((await runImport({ from, to, backends })).said.trim()));
});

test('a file whose name is no UTF-8 and a home that is a link are left out and reported, and everything else is copied', async () => {
  const { from, to } = await oddRoot((_, users) => {
    Bun.spawnSync(['sh', '-c', 'printf x > "$1/caf$(printf "\\351").txt"', 'sh', join(users, 'anna/helper')]);
    renameSync(join(users, 'anna/helper-a2'), join(users, '../elsewhere'));
    symlinkSync('../../elsewhere', join(users, 'anna/helper-a2'));
  });
  const { said, isDone } = await runImport({ from, to, backends });
  expect(isDone).toBe(true);
  expect(said).toContain('names that are not UTF-8 (1)');
  expect(said).toMatch(/they are links, which are not followed \(1\):\n {4}users\/anna\/helper-a2/);
  expect(readdirSync(join(to, 'homes', OLD.annasAgent))).toContain('notes.md');
  expect(existsSync(join(to, 'homes', OLD.annasSecond))).toBe(false);
});

const setpriv = Bun.which('setpriv');
test.skipIf(process.getuid?.() !== 0 || setpriv === null)(
  'a home that its reader may not read ends the import with a sentence, and nothing is imported',
  async () => {
    const { from, to } = await oddRoot((_, users) => {
      mkdirSync(join(users, 'anna/helper/private'), { mode: 0o700 });
      chownSync(join(users, 'anna/helper/private'), 65_534, 65_534);
    });
    // Without these root may not read everywhere, as no other user may.
    const prefix = [setpriv ?? '', '--bounding-set=-dac_override,-dac_read_search'];
    const { said, isDone } = await runImport({ from, to, backends, prefix });
    expect(isDone).toBe(false);
    expect(said).toStartWith('The home users/anna/helper cannot be copied: ');
    expect(said).toContain('Run the command as root.');
    expect(rowsOf(to, 'SELECT * FROM users')).toEqual([]);
  },
);
