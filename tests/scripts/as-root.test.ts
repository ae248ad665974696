/** Commands that root runs for a router of another user: that user can use everything that they leave, and gains nothing else. */
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import {
  chmod,
  lchown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../router/config/config';
import { repositoryRoot } from '../../router/config/root';
import { inheritance } from '../../scripts/owners';
import { type Ran, runCommand } from '../support/command';
import { runImport } from '../support/importing';
import { oldDatabase } from '../support/old-database';
import { makePredecessor } from '../support/predecessor';
import { memoryBackend, SETTINGS, startRouter } from '../support/router';

/** Ends only a test that has failed: processes start slowly on a busy machine. */
setDefaultTimeout(120_000);

const USER = 65_534;
/** The router's user on another machine, and one of a container. */
const [FORMER, CONTAINER] = [4_242, 4_343];
const isRoot = process.getuid?.() === 0;
const setpriv = Bun.which('setpriv');
const root = await mkdtemp(join(tmpdir(), 'agent-stack-as-root-'));
await chmod(root, 0o755);
afterAll(() => rm(root, { recursive: true, force: true }));

/** A folder of the router's user, whose `.env` has its settings. */
async function placeWith(settings: Record<string, string> = {}): Promise<string> {
  const place = await mkdtemp(join(root, 'place-'));
  const all = { ...SETTINGS, STACK_DATA_ROOT: join(place, 'data'), BACKENDS_CONFIG_PATH: '', ...settings };
  const lines = Object.entries(all).map((setting) => `${setting.join('=')}\n`);
  await writeFile(join(place, '.env'), lines.join(''), { mode: 0o600 });
  await giveAll(place, USER);
  return place;
}

/** The same, with the data of a router that was used. */
async function usedPlace(settings: Record<string, string> = {}): Promise<string> {
  const place = await placeWith(settings);
  await mkdir(join(place, 'data'));
  await (await startRouter({ dataRoot: join(place, 'data') })).stop();
  await giveAll(place, USER);
  return place;
}

const run = (place: string, name: string, ...args: string[]): Promise<Ran> =>
  runCommand([process.execPath, join(repositoryRoot, `scripts/${name}.ts`), ...args], {
    cwd: place,
    env: { PATH: process.env.PATH },
  });

/** Runs a command of root in the folder of the router. */
async function asRoot(place: string, name: string, ...args: string[]): Promise<string> {
  const { code, out, errors } = await run(place, name, ...args);
  expect([name, code, errors]).toEqual([name, 0, '']);
  return out;
}

async function below(folder: string): Promise<readonly string[]> {
  return [folder, ...(await readdir(folder, { recursive: true })).map((name) => join(folder, name))];
}

async function giveAll(folder: string, user: number): Promise<void> {
  for (const path of await below(folder)) await lchown(path, user, user);
}

/** What does not belong to the router's user. */
async function foreign(place: string): Promise<string[]> {
  const owners = await Promise.all((await below(place)).map(async (path) => [path, (await lstat(path)).uid] as const));
  return owners.flatMap(([path, uid]) => (uid === USER ? [] : [path]));
}

/** A file of root, and a link to it that an agent has put where a command writes. */
async function linkedFromPlace(place: string, name: string): Promise<string> {
  const secret = join(root, `of-root-${name}`);
  await writeFile(secret, 'of root', { mode: 0o600 });
  await symlink(secret, join(place, name));
  await lchown(join(place, name), USER, USER);
  return secret;
}

async function expectUntouched(secret: string): Promise<void> {
  expect(await readFile(secret, 'utf8')).toBe('of root');
  expect(await lstat(secret)).toMatchObject({ uid: 0, gid: 0 });
}

test.skipIf(!isRoot)(
  'a backup, a restore and a new key by root leave the router of another user all of its files',
  async () => {
    const place = await usedPlace();
    const data = join(place, 'data');
    const [backup = ''] = (await asRoot(place, 'backup')).split('\n');
    await asRoot(place, 'admin', 'reset-password');
    expect(await foreign(place)).toEqual([]);
    await rename(data, join(place, 'away'));
    await asRoot(place, 'restore', backup.replace(data, join(place, 'away')));
    await asRoot(place, 'rotate-key');
    expect(await readdir(data)).toContain('router.db');
    expect(await foreign(place)).toEqual([]);
  },
);

test.skipIf(!isRoot)(
  'folders that are missing above the data and the backups become those of the user too',
  async () => {
    const place = await usedPlace();
    const deep = join(place, 'one/two/data');
    const backups = join(place, 'three/four/backups');
    await writeFile(join(place, '.env'), `\nBACKUP_ROOT=${backups}\n`, { flag: 'a' });
    const [backup = ''] = (await asRoot(place, 'backup')).split('\n');
    expect(backup).toStartWith(backups);
    expect(await foreign(place)).toEqual([]);
    await writeFile(join(place, '.env'), `STACK_DATA_ROOT=${deep}\n`, { flag: 'a' });
    await asRoot(place, 'restore', backup);
    expect(await readdir(deep)).toContain('router.db');
    expect(await foreign(place)).toEqual([]);
  },
);

test.skipIf(!isRoot)('a link that an agent puts where a new key is written is not followed', async () => {
  const place = await usedPlace();
  const secret = await linkedFromPlace(place, '.env.next');
  await asRoot(place, 'rotate-key');
  await expectUntouched(secret);
  expect((await lstat(join(place, '.env'))).isFile()).toBe(true);
});

test.skipIf(!isRoot)(
  'a link that an agent puts where an import writes is not followed, and all is the user’s',
  async () => {
    const place = await placeWith();
    const [from, to] = [join(root, 'old'), join(place, 'data')];
    await makePredecessor(from, 'helper');
    await mkdir(to);
    await lchown(to, USER, USER);
    const secret = await linkedFromPlace(to, 'imported-rooms.json');
    const backends = [memoryBackend('helper')];
    expect(await runImport({ from, to, backends })).toMatchObject({ isDone: true });
    await expectUntouched(secret);
    expect(await readFile(join(to, 'imported-rooms.json'), 'utf8')).toContain('Team room');
    expect(await foreign(to)).toEqual([]);
  },
);

test.skipIf(!isRoot)(
  'links that an agent puts in place of what a command makes do not give away what they lead to',
  async () => {
    const data = await mkdtemp(join(root, 'data-'));
    const elsewhere = await mkdtemp(join(root, 'of-root-'));
    await writeFile(join(elsewhere, 'router.db'), 'of root');
    await mkdir(join(data, 'backups'));
    await giveAll(data, USER);
    {
      using _made = inheritance(loadConfig({ ...SETTINGS, STACK_DATA_ROOT: data }).config);
      await symlink(elsewhere, join(data, 'backups/2026-01-01T00-00-00-000Z'));
      await symlink(join(elsewhere, 'router.db'), join(data, 'router.db'));
      await symlink(elsewhere, join(data, 'homes'));
    }
    expect((await lstat(join(data, 'homes'))).uid).toBe(USER);
    for (const path of await below(elsewhere)) expect([path, (await lstat(path)).uid]).toEqual([path, 0]);
  },
);

test.skipIf(!isRoot)(
  'a new key keeps the owner and the mode that .env had, where its folder is of another',
  async () => {
    const place = await usedPlace();
    await lchown(join(place, '.env'), FORMER, CONTAINER);
    await chmod(join(place, '.env'), 0o640);
    await asRoot(place, 'rotate-key');
    const { uid, gid, mode } = await lstat(join(place, '.env'));
    expect([uid, gid, mode & 0o777]).toEqual([FORMER, CONTAINER, 0o640]);
  },
);

test.skipIf(!isRoot).each([
  ['rotate-key', []],
  ['admin', ['reset-password']],
])('the copy that %s makes before a migration is the user’s', async (name, args) => {
  const place = await placeWith();
  await mkdir(join(place, 'data'));
  await oldDatabase(join(place, 'data/router.db'));
  await giveAll(place, USER);
  // It may find no account whose password it could set.
  await run(place, name, ...args);
  const [copy = ''] = await readdir(join(place, 'data/backups'));
  expect(await readdir(join(place, 'data/backups', copy))).toEqual(['router.db']);
  expect(await foreign(place)).toEqual([]);
});

test.skipIf(!isRoot || setpriv === null)(
  'older copies that the user cannot remove do not keep a database from being migrated',
  async () => {
    const place = await placeWith();
    await mkdir(join(place, 'data'));
    await oldDatabase(join(place, 'data/router.db'));
    await giveAll(place, USER);
    const backups = join(place, 'data/backups');
    const old = ['2026-01-01', '2026-01-02'].map((day) => join(backups, `${day}T00-00-00-000Z-before-that`));
    for (const path of old) {
      await mkdir(path, { recursive: true });
      await writeFile(join(path, 'router.db'), 'of root');
    }
    await lchown(backups, USER, USER);
    const script = join(repositoryRoot, 'router/database/database.ts');
    const code = `const { openDatabase } = await import(${JSON.stringify(script)});
      openDatabase(${JSON.stringify(join(place, 'data/router.db'))}).close();`;
    // Without these root may do what the owner of the files may, and no more.
    const withoutRights = [setpriv ?? '', `--reuid=${USER}`, '--clear-groups', '--bounding-set=-all'];
    const { code: ended, errors } = await runCommand([...withoutRights, process.execPath, '-e', code], {
      cwd: repositoryRoot,
      env: { PATH: process.env.PATH },
    });
    expect([ended, errors]).toEqual([0, '']);
    expect(await readdir(backups)).toHaveLength(3);
  },
);

test.skipIf(!isRoot)(
  'what belonged to the router’s user of another machine is given to the user of this one, and what a container’s had stays',
  async () => {
    const place = await usedPlace();
    const data = join(place, 'data');
    const home = join(data, 'homes/an-agent');
    const secret = join(root, 'of-root-linked');
    await writeFile(secret, 'of root');
    await mkdir(join(home, 'work'), { recursive: true });
    for (const name of ['notes', 'work/more', 'of-a-container', 'of-root']) await writeFile(join(home, name), 'text');
    await symlink(secret, join(home, 'link'));
    // Where nobody may make one, there is none to begin with.
    Bun.spawnSync(['mknod', join(home, 'device'), 'c', '1', '3']);
    await giveAll(join(data, 'homes'), FORMER);
    await lchown(join(home, 'of-a-container'), CONTAINER, CONTAINER);
    await lchown(join(home, 'of-root'), 0, 0);
    await chmod(join(home, 'of-root'), 0o4755);
    const [backup = ''] = (await asRoot(place, 'backup')).split('\n');
    await rename(data, join(place, 'away'));
    await asRoot(place, 'restore', backup.replace(data, join(place, 'away')));

    expect((await foreign(data)).sort()).toEqual([join(home, 'of-a-container'), join(home, 'of-root')]);
    expect((await lstat(join(home, 'of-a-container'))).uid).toBe(CONTAINER);
    // Who can write a backup does not get the rights of root by it, nor the machine's devices.
    expect((await readdir(home)).sort()).toEqual(['link', 'notes', 'of-a-container', 'of-root', 'work']);
    expect((await lstat(join(home, 'of-root'))).mode & 0o7777).toBe(0o755);
    await expectUntouched(secret);
  },
);
