/** The single executable in a root folder that has nothing but it and the libraries that it is linked with. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { $ } from 'bun';
import { buildExecutable } from '../../scripts/executable/build';
import { type Ran, runCommand } from '../support/command';
import { freePort } from '../support/ports';
import { startRouterProcess } from '../support/process';
import { startProvider } from '../support/provider';
import { until } from '../support/router';
import { agentOf, newestAnswer, startConversation } from './chat';

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
function run(...args: string[]): Promise<Ran> {
  const env = { PATH: '/usr/bin:/bin', HOME: '/home', ...SECRETS, STACK_DATA_ROOT: dataRoot };
  return runCommand([CHROOT, root, PROGRAM, ...args], { env });
}

const SECRETS = { JWT_SECRET: 'a-secret-of-the-tests-0123456789abcdef', ENCRYPTION_KEY: '00'.repeat(32) };

/** A picture of one pixel. */
const DOT = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

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
      // Made where there was no home yet: this root has no tar.
      await until(() => /"backup\.made"|The program tar is missing/.test(router.output()), 'a backup is tried');
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

    test('runs no code that a bunfig.toml in its working folder names', async () => {
      await Bun.write(join(root, 'bunfig.toml'), 'preload = ["./planted.ts"]\n');
      await Bun.write(join(root, 'planted.ts'), 'console.log("planted");\n');
      const { code, out, errors } = await run('--help');
      for (const name of ['bunfig.toml', 'planted.ts']) await rm(join(root, name));
      expect([code, errors]).toEqual([0, '']);
      expect(out).toStartWith('Usage: agent-stack [');
    });

    test('has everything inside that is loaded when it is first needed', async () => {
      const port = freePort();
      const callback = `http://127.0.0.1:${port}/sign-in/oidc/callback`;
      await using provider = await startProvider({ callbacks: [callback] });
      provider.people.set('grace', { email: 'grace@example.org', email_verified: true, name: 'Grace' });
      let spans = 0;
      await using collector = Bun.serve({
        ...{ hostname: '127.0.0.1', port: 0 },
        fetch: () => {
          spans += 1;
          return Response.json({});
        },
      });
      const env = {
        ...{ PATH: '/usr/bin:/bin', HOME: '/home', BACKENDS_CONFIG_PATH: '', FRONTEND_PORT: String(port) },
        ...{ ...provider.env, OIDC_CREATE_ACCOUNTS: 'true', LOG_FILE: '/home/log/router.log' },
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
      };
      await using router = await startRouterProcess({ command: [CHROOT, root, PROGRAM], dataRoot, env });

      const begun = await fetch(`${router.url}/sign-in/oidc`, { redirect: 'manual' });
      const cookie = begun.headers.getSetCookie()[0]?.split(';')[0] ?? '';
      const back = await provider.visitor('grace')(begun.headers.get('location') ?? '');
      const signedIn = await fetch(back, { redirect: 'manual', headers: { cookie } });
      expect([signedIn.status, signedIn.headers.getSetCookie().join()]).toEqual([
        303,
        expect.stringContaining('session'),
      ]);

      const alice = await router.signIn();
      const path = await startConversation(alice, 'Demo', 'hello');
      await until(async () => (await newestAnswer(alice, path)).status === 'done', 'it is answered', 30_000);
      const attached = await fetch(`${router.url}/api${path}/attachments?name=dot.png`, {
        ...{ method: 'POST', headers: { cookie: alice.cookie }, body: Buffer.from(DOT, 'base64') },
      });
      const { attachment } = (await attached.json()) as { attachment: { id: string } };
      const body = { role: 'user', content: 'Look at this.', attachments: [attachment.id] };
      expect((await alice.request(`/api${path}/messages`, { method: 'POST', body })).ok).toBe(true);
      // The library that measures pictures.
      expect(await (await alice.request(path)).text()).toMatch(/<img[^>]* width="1" height="1"/);
      const agent = await agentOf(alice, 'Demo');
      const schedule = { when: 'every day at 9:00', time_zone: 'Europe/Berlin', text: 'hello again' };
      const made = await alice.request(`/api/agents/${agent}/schedules`, { method: 'POST', body: schedule });
      expect(made.ok).toBe(true);
      const archive = await alice.request(`/api/agents/${agent}/files/archive`);
      expect(Bun.gunzipSync(await archive.bytes()).length).toBeGreaterThan(512);
      for (const open of ['/docs', '/openapi.json'])
        expect([open, (await alice.request(open)).status]).toEqual([open, 200]);
      expect(await (await fetch(`${router.internalUrl}/metrics`)).text()).toContain('# TYPE');
      // It asks the engine for which it has a library, and has none here.
      expect(await (await fetch(`${router.url}/healthz`)).text()).toContain('does not answer');
      await until(() => spans > 0, 'traces are sent');
      expect(await router.kill('SIGTERM')).toBe(0);
      const [log = ''] = await Array.fromAsync(new Bun.Glob('router*.log').scan(join(root, 'home/log')));
      expect(await Bun.file(join(root, 'home/log', log)).text()).toContain('router.started');
    });

    test('has the commands of an operator, and says which there are', async () => {
      const usage = await run('nonsense');
      expect([usage.code, usage.errors]).toEqual([1, expect.stringContaining('Usage: agent-stack [admin | backup')]);
      const asked = await run('--help');
      expect([asked.code, asked.out]).toEqual([0, usage.errors]);
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
