/** Commands that root runs for a router of another user: that user can use everything that they leave. */
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { chown, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../../router/config/root';
import { runCommand } from '../support/command';
import { SETTINGS, startRouter } from '../support/router';

/** Ends only a test that has failed: processes start slowly on a busy machine. */
setDefaultTimeout(120_000);

const USER = 65_534;
const folder = await mkdtemp(join(tmpdir(), 'agent-stack-as-root-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs a command of root in the folder of the router, whose `.env` has its settings. */
async function asRoot(name: string, ...args: string[]): Promise<string> {
  const command = [process.execPath, join(repositoryRoot, `scripts/${name}.ts`), ...args];
  const { code, out, errors } = await runCommand(command, { cwd: folder, env: { PATH: process.env.PATH } });
  expect([name, code, errors]).toEqual([name, 0, '']);
  return out;
}

async function below(root: string): Promise<readonly string[]> {
  return [root, ...(await readdir(root, { recursive: true })).map((name) => join(root, name))];
}

/** What does not belong to the router's user. */
async function foreign(): Promise<string[]> {
  const owners = await Promise.all((await below(folder)).map(async (path) => [path, (await stat(path)).uid] as const));
  return owners.flatMap(([path, uid]) => (uid === USER ? [] : [path]));
}

test.skipIf(process.getuid?.() !== 0)(
  'a backup, a restore and a new key by root leave the router of another user all of its files',
  async () => {
    const dataRoot = join(folder, 'data');
    const settings = Object.entries({ ...SETTINGS, STACK_DATA_ROOT: dataRoot, BACKENDS_CONFIG_PATH: '' });
    await writeFile(join(folder, '.env'), settings.map((setting) => `${setting.join('=')}\n`).join(''), {
      mode: 0o600,
    });
    await mkdir(dataRoot);
    await (await startRouter({ dataRoot })).stop();
    for (const path of await below(folder)) await chown(path, USER, USER);

    const [backup = ''] = (await asRoot('backup')).split('\n');
    await asRoot('admin', 'reset-password');
    expect(await foreign()).toEqual([]);
    await rename(dataRoot, join(folder, 'away'));
    await asRoot('restore', backup.replace(dataRoot, join(folder, 'away')));
    await asRoot('rotate-key');
    expect(await readdir(dataRoot)).toContain('router.db');
    expect(await foreign()).toEqual([]);
  },
);
