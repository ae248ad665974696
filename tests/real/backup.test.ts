/** Backups of a router that runs, as its commands make and restore them. */
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, readdirSync } from 'node:fs';
import {
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../router/database/database';
import { type Ran, runCommand } from '../support/command';
import { startRouterProcess } from '../support/process';
import { SETTINGS, until } from '../support/router';
import { agentOf, newestAnswer, startConversation, watchAnswer } from './chat';

/** Only ends a failed test: processes start slowly on a busy machine. */
setDefaultTimeout(60_000);

const ROOT = join(import.meta.dir, '../..');
const folder = await mkdtemp(join(tmpdir(), 'agent-stack-backup-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

const isRoot = process.getuid?.() === 0;
/** Without these root may not write everywhere, as no other user may. */
const AS_OWNER =
  isRoot && Bun.which('setpriv') !== null ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : [];

/** Runs a command as `bun run` does, for the installation at `dataRoot`. */
const command = (name: 'backup' | 'restore', dataRoot: string, ...args: string[]) =>
  commandWith({}, name, dataRoot, ...args);

function commandWith(more: Record<string, string>, name: string, dataRoot: string, ...args: string[]): Promise<Ran> {
  return runCommand([...AS_OWNER, process.execPath, '--no-env-file', `scripts/${name}.ts`, ...args], {
    cwd: ROOT,
    env: {
      ...{ PATH: process.env.PATH ?? '', ...SETTINGS, STACK_DATA_ROOT: dataRoot },
      ...{ BACKUP_ROOT: join(folder, 'backups'), ...more },
    },
  });
}

test('a backup that is made while an answer is written restores messages and homes elsewhere', async () => {
  await using router = await startRouterProcess();
  const alice = await router.signIn();
  const done = await startConversation(alice, 'Demo', 'echo kept for years');
  await until(async () => (await newestAnswer(alice, done)).status === 'done', 'it is answered');
  const home = join(router.dataRoot, 'homes', await agentOf(alice, 'Demo'));
  await writeFile(join(home, 'notes.txt'), 'what the agent wrote', { mode: 0o640 });
  await symlink('/etc/passwd', join(home, 'link'));
  const upload = { method: 'POST', body: 'what was attached' };
  const attached = await alice.request(`/api${done}/attachments?name=a.txt`, upload);
  const { attachment } = (await attached.json()) as { attachment: { url: string } };
  const growing = await startConversation(alice, 'Demo', `slow ${'word '.repeat(300)}`);
  await watchAnswer(alice, growing).next();

  const made = await command('backup', router.dataRoot);
  expect(made).toMatchObject({ code: 0, errors: '' });
  const backup = made.out.split('\n')[0] ?? '';
  expect(readdirSync(backup).sort()).toEqual(['attachments.tar', 'homes.tar', 'router.db']);
  // The keys are not in it, and the command says so.
  expect(made.out).toContain('Without the ENCRYPTION_KEY');
  const bytes = (await readFile(join(backup, 'router.db'))).toString('latin1');
  for (const key of [SETTINGS.ENCRYPTION_KEY, SETTINGS.JWT_SECRET]) expect(bytes).not.toContain(key);
  expect((await newestAnswer(alice, growing)).status).toBe('streaming');
  await router.kill('SIGKILL');

  // Not over data.
  const refused = await command('restore', router.dataRoot, backup);
  expect(refused.code).toBe(1);
  expect(refused.errors).toStartWith('Nothing was restored, because there is data at');
  const other = join(folder, 'other');
  await mkdir(join(other, 'homes/some-agent'), { recursive: true });
  expect((await command('restore', other, backup)).errors).toContain(join(other, 'homes'));
  expect(existsSync(join(other, 'router.db'))).toBe(false);
  await rm(other, { recursive: true });

  expect(await command('restore', other, backup)).toMatchObject({ code: 0, errors: '' });
  const restored = join(other, 'homes', home.split('/').at(-1) ?? '');
  expect(await readFile(join(restored, 'notes.txt'), 'utf8')).toBe('what the agent wrote');
  expect((await stat(join(restored, 'notes.txt'))).mode & 0o777).toBe(0o640);
  expect((await stat(join(other, 'router.db'))).mode & 0o777).toBe(0o600);
  await using again = await startRouterProcess({ dataRoot: other });
  const returned = await again.signIn();
  expect(await newestAnswer(returned, done)).toMatchObject({ status: 'done', text: 'kept for years' });
  expect(await (await returned.request(attachment.url)).text()).toBe('what was attached');
  // What was being written when the backup was made has ended as interrupted.
  expect((await newestAnswer(returned, growing)).status).toBe('failed');
  await returned.request('/api/runners/demo', { method: 'DELETE' });
});

test('a runner that outlived the router works in the homes that were moved away: after a restore it is ended, not adopted', async () => {
  const dataRoot = join(folder, 'moved-away');
  await mkdir(dataRoot);
  await using router = await startRouterProcess({ dataRoot });
  const alice = await router.signIn();
  const first = await startConversation(alice, 'Demo', 'echo before');
  await until(async () => (await newestAnswer(alice, first)).status === 'done', 'it is answered');
  const backup = (await command('backup', dataRoot)).out.split('\n')[0] ?? '';
  const [before] = await router.runners();
  expect(await router.kill('SIGTERM')).toBe(0);
  await rename(dataRoot, join(folder, 'away'));
  expect(await command('restore', dataRoot, backup)).toMatchObject({ code: 0, errors: '' });
  await router.start();
  const again = await router.signIn();
  const next = await startConversation(again, 'Demo', 'echo after');
  await until(async () => (await newestAnswer(again, next)).status === 'done', 'it is answered by another');
  await until(async () => (await router.runners()).length === 1, 'the former one has ended');
  const [after] = await router.runners();
  expect(after?.leader?.pid).not.toBe(before?.leader?.pid);
  await again.request('/api/runners/demo', { method: 'DELETE' });
});

test('a folder that is no backup, and a damaged one, are refused before anything is written', async () => {
  const target = join(folder, 'target');
  const empty = join(folder, 'empty');
  await mkdir(empty);
  expect((await command('restore', target, empty)).errors).toContain('is not a backup');
  await writeFile(join(empty, 'router.db'), 'no database '.repeat(1000));
  const refused = await command('restore', target, empty);
  expect(refused.code).toBe(1);
  expect(refused.errors).toContain('it is not an SQLite database');
  expect(refused.errors).not.toContain('    at ');
  expect(existsSync(target)).toBe(false);
  expect((await command('restore', target)).errors).toContain('Usage');
  expect((await command('backup', target)).errors).toContain('There is no database');
});

test('a restore writes through no link that somebody has put where it writes', async () => {
  const source = join(folder, 'linked-source');
  openDatabase(join(source, 'router.db')).close();
  const backup = (await command('backup', source)).out.split('\n')[0] ?? '';
  const target = join(folder, 'linked-target');
  await mkdir(target);
  const elsewhere = join(folder, 'elsewhere');
  await writeFile(elsewhere, 'of somebody else');
  await symlink(elsewhere, join(target, '.router.db.restoring'));
  expect(await command('restore', target, backup)).toMatchObject({ code: 0, errors: '' });
  expect(await readFile(elsewhere, 'utf8')).toBe('of somebody else');
  expect((await lstat(join(target, 'router.db'))).isFile()).toBe(true);
});

test('a backup is refused where there can be no folder for it; of a damaged one nothing is restored, and another can be', async () => {
  const source = join(folder, 'source');
  openDatabase(join(source, 'router.db')).close();
  await mkdir(join(source, 'homes/an-agent'), { recursive: true });
  await writeFile(join(source, 'homes/an-agent/notes.txt'), 'kept '.repeat(100_000));
  const made = await command('backup', source);
  const whole = made.out.split('\n')[0] ?? '';
  const inTheWay = join(folder, 'in-the-way');
  await writeFile(inTheWay, '');
  const nowhere = await commandWith({ BACKUP_ROOT: join(inTheWay, 'backups') }, 'backup', source);
  expect(nowhere.errors).toStartWith(`No backup can be made in ${inTheWay}/backups: `);
  expect(nowhere.errors).not.toContain('    at ');

  const cut = join(folder, 'cut');
  await cp(whole, cut, { recursive: true });
  await truncate(join(cut, 'homes.tar'), 100_000);
  const target = join(folder, 'after-a-cut');
  await mkdir(join(target, 'homes'), { recursive: true });
  const refused = await command('restore', target, cut);
  expect(refused).toMatchObject({ code: 1, out: '' });
  expect(refused.errors).toStartWith('Nothing was restored: ');
  expect(refused.errors).toContain('restore another one');
  expect(readdirSync(join(target, 'homes'))).toEqual([]);
  expect(existsSync(join(target, 'router.db'))).toBe(false);
  expect(await command('restore', target, whole)).toMatchObject({ code: 0, errors: '' });
  expect(readdirSync(join(target, 'homes/an-agent'))).toEqual(['notes.txt']);
});

test.skipIf(isRoot && Bun.which('setpriv') === null)(
  'a damaged backup with folders that nobody may write leaves nothing either, or what is left is named after the reason',
  async () => {
    const source = join(folder, 'read-only');
    openDatabase(join(source, 'router.db')).close();
    const cache = join(source, 'homes/an-agent/go/pkg/mod');
    await mkdir(cache, { recursive: true });
    await writeFile(join(cache, 'a.go'), 'package a');
    await chmod(cache, 0o555);
    await writeFile(join(source, 'homes/zz-notes.txt'), 'kept '.repeat(100_000));
    const attached = join(source, 'attachments');
    await mkdir(attached);
    await writeFile(join(attached, 'a-file'), 'attached');
    await chmod(attached, 0o555);
    const backup = (await command('backup', source)).out.split('\n')[0] ?? '';
    const restore = async (name: string) => {
      const refused = await commandWith({}, 'restore', join(folder, name), backup);
      expect(refused).toMatchObject({ code: 1, out: '' });
      expect(refused.errors).toStartWith(`Nothing was restored: ${join(backup, 'homes.tar')} could not be unpacked`);
      expect(existsSync(join(folder, name, 'router.db'))).toBe(false);
      return refused.errors;
    };
    await truncate(join(backup, 'homes.tar'), 200_000);
    const target = join(folder, 'read-only-target');
    // The folder of the attached files itself is as it was in the backup, and is not the router's to change.
    expect(await restore('read-only-target')).toContain(
      `What was written is still in ${join(target, 'attachments')}: remove it first.`,
    );
    expect(readdirSync(join(target, 'homes'))).toEqual([]);
    await rm(join(backup, 'attachments.tar'));
    expect(await restore('read-only-target-2')).not.toContain('still in');
    expect(readdirSync(join(folder, 'read-only-target-2/homes'))).toEqual([]);
    for (const path of [cache, attached, join(target, 'attachments')]) await chmod(path, 0o755);
  },
);

test('the router makes backups by itself, removes the oldest, and says on /healthz why one could not be made', async () => {
  const root = join(folder, 'scheduled');
  // A hundredth of a second, so that one is due at each look.
  const env = { BACKUP_HOURS: '0.000003', BACKUP_KEEP: '1', BACKUP_ROOT: root };
  await using router = await startRouterProcess({ env });
  const list = () => (existsSync(root) ? readdirSync(root).filter((name) => !name.startsWith('.')) : []);
  const [first] = await until(() => list().length > 0 && list(), 'there is a backup', 30_000);
  await until(() => list().length === 1 && list()[0] !== first, 'another has replaced it', 30_000);
  await rename(root, `${root}-away`);
  await writeFile(root, 'a file where the folder was');
  const health = async () => (await (await fetch(`${router.url}/healthz`)).json()) as { backup_problem?: string };
  await until(async () => (await health()).backup_problem, 'the problem is shown', 30_000);
  expect(router.output()).toContain('"backup.failed"');
});
