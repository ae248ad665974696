/** The single executable in a root folder that has nothing but it and the libraries that it is linked with. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { $ } from 'bun';
import { buildExecutable } from '../../scripts/executable/build';
import { startRouterProcess } from '../support/process';
import { until } from '../support/router';
import { newestAnswer, startConversation } from './chat';

/** Only ends a failed test: the first start unpacks files. */
setDefaultTimeout(120_000);

const canMount = process.platform === 'linux' && process.getuid?.() === 0;
const PROGRAM = '/usr/bin/agent-stack';
const CHROOT = '/usr/sbin/chroot';

let root: string;
let dataRoot: string;

/** Copies a program and the libraries that it is linked with to the same places below `root`. */
async function bring(program: string, to = program): Promise<void> {
  const linked = await $`ldd ${program}`.quiet().nothrow().text();
  const libraries = [...linked.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path);
  for (const [from, place] of [[program, to], ...libraries.map((path) => [path, path])] as [string, string][]) {
    await mkdir(dirname(join(root, place)), { recursive: true });
    await copyFile(from, join(root, place));
  }
}

beforeAll(async () => {
  if (!canMount) return;
  root = await mkdtemp(join(tmpdir(), 'agent-stack-root-'));
  dataRoot = await mkdtemp(join(tmpdir(), 'agent-stack-data-'));
  const built = join(root, 'built');
  await buildExecutable(built);
  await bring(built, PROGRAM);
  await rm(built);
  for (const folder of ['proc', 'dev', 'tmp', 'home', 'drivers/far', dataRoot]) {
    await mkdir(join(root, folder), { recursive: true });
  }
  await $`mount -t proc proc ${root}/proc`.quiet();
  await $`mount --bind /dev ${root}/dev`.quiet();
  await $`mount --bind ${dataRoot} ${root}${dataRoot}`.quiet();
});
afterAll(async () => {
  if (!canMount) return;
  for (const mounted of ['proc', 'dev', dataRoot]) await $`umount --lazy ${join(root, mounted)}`.quiet().nothrow();
  await rm(root, { recursive: true, force: true });
  await rm(dataRoot, { recursive: true, force: true });
});

/** Runs a command of the executable in the root. */
async function run(...args: string[]) {
  const child = Bun.spawn([CHROOT, root, PROGRAM, ...args], {
    env: { PATH: '/usr/bin:/bin', HOME: '/home', ...SECRETS, STACK_DATA_ROOT: dataRoot },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [out, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { out, errors, code };
}

const SECRETS = { JWT_SECRET: 'a-secret-of-the-tests-0123456789abcdef', ENCRYPTION_KEY: '00'.repeat(32) };

/** A driver as its author writes it, in a folder of its own. */
const DRIVER = `import { Type } from '@sinclair/typebox';
const nothing = Type.Object({}, { additionalProperties: false });
export default {
  name: 'far', summary: 'From elsewhere', isolates: true, options: nothing, backendOptions: nothing,
  create: async () => ({
    name: 'far', ping: async () => { throw new Error('far away'); }, routerAddress: async () => ({}),
    start: async () => { throw new Error('no'); }, inspect: async () => ({ state: 'gone' }), stop: async () => {}, list: async () => [],
  }),
};`;

if (!canMount && process.env.CI !== 'true') {
  test.skip('the executable (skipped: a root folder of its own needs root on Linux)', () => {});
} else {
  describe('the executable', () => {
    test('serves, runs its agents and threads, loads drivers from outside, and ends on SIGTERM', async () => {
      await Bun.write(join(root, 'drivers/far/index.ts'), DRIVER);
      const env = {
        ...{ PATH: '/usr/bin:/bin', HOME: '/home', DRIVERS_DIR: '/drivers' },
        // Unset: the ones that it brings along.
        BACKENDS_CONFIG_PATH: '',
        BACKUP_HOURS: '1',
      };
      const command = [CHROOT, root, PROGRAM];
      await using router = await startRouterProcess({ command, dataRoot, env });
      const alice = await router.signIn();
      const path = await startConversation(alice, 'Demo', 'markdown');
      await until(async () => (await newestAnswer(alice, path)).status === 'done', 'it is answered', 30_000);
      // The thread that renders, and the one that makes backups.
      expect((await newestAnswer(alice, path)).html).toContain('class="hljs-');
      await until(() => /"backup\.(made|failed)"/.test(router.output()), 'a backup is tried');
      expect(router.output()).toContain('The program tar is missing');
      const page = await (await alice.request('/')).text();
      for (const [, asset = ''] of page.matchAll(/(?:href|src)="(\/assets\/[^"#]+)/g)) {
        expect([asset, (await alice.request(asset)).status]).toEqual([asset, 200]);
      }
      const health = (await (await fetch(`${router.url}/healthz`)).json()) as { driver_problems?: object };
      expect(Object.keys(health.driver_problems ?? {})).toEqual(['docker']);
      await alice.request('/api/runners/demo', { method: 'DELETE' });
      expect(await router.kill('SIGTERM')).toBe(0);
      // The agents that it brings along run by themselves, without the sources.
      expect(router.output()).not.toContain('process.fault');
    });

    test('has the commands of an operator, and says which there are', async () => {
      const usage = await run('nonsense');
      expect([usage.code, usage.errors]).toEqual([1, expect.stringContaining('Usage: agent-stack [admin | backup')]);
      const reset = await run('admin', 'reset-password');
      expect([reset.code, reset.out]).toEqual([0, expect.stringContaining('The password of admin@example.org is now')]);
      for (const command of ['restore', 'import']) expect((await run(command)).errors).toContain('Usage');
      expect((await run('backup')).errors).toContain('The program tar is missing');
      expect((await run('doctor')).out).toContain('settings');
    });

    test('the first start without settings makes an .env in its folder, and goes on with it', async () => {
      const child = Bun.spawn([CHROOT, root, PROGRAM], {
        env: { PATH: '/usr/bin:/bin', HOME: '/home', FRONTEND_PORT: '0', ROUTER_PORT: '18987' },
        stdout: 'pipe',
        stderr: 'inherit',
      });
      let output = '';
      for await (const bytes of child.stdout) {
        output += new TextDecoder().decode(bytes);
        if (output.includes('router.started')) child.kill('SIGTERM');
      }
      expect(await child.exited).toBe(0);
      expect(output).toContain('agent-stack is set up');
      const dotenv = await Bun.file(join(root, '.env')).text();
      expect(dotenv).toContain('BUN_CONFIG_MAX_HTTP_REQUESTS=8192');
      expect(await Bun.file(join(root, 'data/router.db')).exists()).toBe(true);
    });
  });
}
