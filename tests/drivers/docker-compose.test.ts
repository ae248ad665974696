/**
 * Runs the image of the `Dockerfile` as in `compose.yaml`. There is no Compose and no registry here: the base image is
 * built on the machine, and this file turns the service into the container that Compose would create.
 */

import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { chown, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type Docker from 'dockerode';
import { settings } from '../../router/config/settings';
import { docker, removeInstallation, requireEngine, runInside } from '../support/engine';
import { testImage } from '../support/image';
import { freePort } from '../support/ports';
import { ADMIN, until } from '../support/router';
import { buildRouterImage } from './docker-compose-build';

/** Only ends a failed test: an image is built, and containers start slowly on a busy machine. */
setDefaultTimeout(240_000);

const ROOT = join(import.meta.dir, '../..');
const read = (file: string) => readFile(join(ROOT, file), 'utf8');
const socketPath = (process.env.DOCKER_HOST ?? '').replace(/^unix:\/\//, '') || '/var/run/docker.sock';
const USER = 1000;
const image = `agent-stack-compose-router:${crypto.randomUUID().slice(0, 8)}`;

interface Service {
  readonly [key: string]: unknown;
  readonly build: { readonly args: { readonly BASE: string } };
  readonly env_file: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly volumes: readonly { type: string; source: string; target: string; read_only?: boolean }[];
}

/** The service of compose.yaml, with the variables of `.env` inserted as Compose does it. */
async function service(variables: Readonly<Record<string, string>>): Promise<Service> {
  const text = (await read('compose.yaml')).replace(
    /\$\{(\w+)(?::([-?])([^}]*))?\}/g,
    (_, name: string, kind = '', rest = '') => {
      const value = variables[name] || (kind === '-' ? rest : undefined);
      if (value === undefined) throw new Error(`${name} ${rest}`);
      return value;
    },
  );
  return (Bun.YAML.parse(text) as { services: { router: Service } }).services.router;
}

/** The container of a service in the checkout at `folder`. An unknown key is an error, so that none is ignored. */
function containerOf(entry: Service, folder: string, dotenv: Readonly<Record<string, string>>) {
  const { build, restart, stop_grace_period, env_file, environment, volumes, ...rest } = entry;
  const { network_mode, user, group_add, init, cap_drop, security_opt, read_only, tmpfs, ...unknown } = rest;
  expect(unknown).toEqual({});
  const env = { ...dotenv, ...environment };
  return {
    Image: image,
    User: user,
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    // The interval in compose.yaml is too long for a test.
    Healthcheck: { Interval: 500_000_000 },
    HostConfig: {
      NetworkMode: network_mode,
      GroupAdd: group_add,
      Init: init,
      CapDrop: cap_drop,
      SecurityOpt: security_opt,
      ReadonlyRootfs: read_only,
      Tmpfs: Object.fromEntries((tmpfs as string[]).map((mount) => mount.split(/:(.*)/))),
      Mounts: volumes.map(({ type, source, target, read_only: isReadOnly = false }) => ({
        ...{ Type: type, Target: target, ReadOnly: isReadOnly },
        Source: resolve(folder, source),
      })),
    },
  } as Docker.ContainerCreateOptions;
}

describe('compose.yaml', () => {
  const variables = { DOCKER_GID: '1', HOST_STACK_ROOT: '/srv/agent-stack' };

  test('every documented setting reaches the router: all of .env, but for where the volumes are', async () => {
    const { env_file: file, environment } = await service(variables);
    expect(file).toBe('.env');
    expect(Object.keys(environment).filter((name) => !settings.some(([known]) => known === name))).toEqual([]);
    expect(environment).toEqual({
      HOST_STACK_ROOT: variables.HOST_STACK_ROOT,
      STACK_DATA_ROOT: '/data',
      BACKENDS_CONFIG_PATH: '/app/backends.json',
      SEEDS_ROOT: '/app/seeds',
    });
  });

  test('several checkouts run side by side: no name and no port is fixed', async () => {
    const entry = await service(variables);
    for (const key of ['container_name', 'hostname', 'image', 'ports']) expect(entry).not.toHaveProperty(key);
    expect(Object.keys(Bun.YAML.parse(await read('compose.yaml')) as object)).toEqual(['services']);
  });

  test('the example requires the secrets of the administrator, and the base images are equal', async () => {
    for (const name of Object.keys(variables)) {
      await expect(service({ ...variables, [name]: '' })).rejects.toThrow(`${name} is missing in .env`);
    }
    expect(await read('Dockerfile')).toContain(`ARG BASE=${(await service(variables)).build.args.BASE}\n`);
  });
});

describe.skipIf(!(await requireEngine('the router in a container')))('the router in a container', () => {
  const cleanUp = new AsyncDisposableStack();
  let directory: string;
  let demo: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'agent-stack-compose-'));
    cleanUp.defer(() => rm(directory, { recursive: true, force: true }));
    await Bun.$`chmod 755 ${directory}`;
    cleanUp.defer(() =>
      docker
        .getImage(image)
        .remove({ force: true })
        .catch(() => undefined),
    );
    demo = join(directory, 'demo');
    const entrypoints = [join(ROOT, 'backends/demo/main.ts')];
    expect((await Bun.build({ entrypoints, target: 'bun', outdir: demo })).success).toBe(true);
    await buildRouterImage(image, directory);
  });
  afterAll(() => cleanUp.disposeAsync());

  /** A checkout with an .env as in docs/deploy.md, and its router. */
  async function up(name: string) {
    const folder = join(directory, name);
    const dataRoot = join(folder, 'data');
    await mkdir(dataRoot, { recursive: true });
    await chown(dataRoot, USER, USER);
    await cp(demo, join(folder, 'seeds/demo-home'), { recursive: true });
    const backend = {
      ...{ name: 'demo', driver: 'docker', image: await testImage(), seed_subdir: 'demo-home' },
      ...{ cmd: ['bun', '/home/agent/main.js'], user: `${USER}:${USER}`, chown_uid: USER, history: 'last-turn' },
      headers: { 'X-Agent-Session': `\${conversation}` },
      extra_env: { HOST: '0.0.0.0', PORT: '8080', AGENT_HOME: '/home/agent' },
      timeouts: { stop_grace_seconds: 1 },
    };
    await writeFile(join(folder, 'backends.json'), JSON.stringify([backend]));
    const dotenv = {
      JWT_SECRET: 'a-secret-of-the-tests-0123456789abcdef',
      ENCRYPTION_KEY: '00'.repeat(32),
      BOOTSTRAP_ADMIN_EMAIL: ADMIN.email,
      BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
      HOST_STACK_ROOT: dataRoot,
      DOCKER_GID: String((await stat(socketPath)).gid),
      DOCKER_SOCKET: socketPath,
      FRONTEND_PORT: String(freePort()),
      ROUTER_PORT: String(freePort()),
    };
    const container = await docker.createContainer(containerOf(await service(dotenv), folder, dotenv));
    cleanUp.defer(async () => {
      await container.remove({ force: true, v: true });
      using database = new Database(join(dataRoot, 'router.db'));
      const row = database.query<{ value: string }, []>("SELECT value FROM installation WHERE name = 'id'").get();
      if (row) await removeInstallation(row.value);
    });
    await container.start();
    const output = async () => String(await container.logs({ stdout: true, stderr: true }));
    await until(
      async () => {
        const { State: state } = await container.inspect();
        if (!state.Running) throw new Error(await output());
        return state.Health?.Status === 'healthy';
      },
      'the health check is content',
      60_000,
    );
    return { container, output, dataRoot, url: `http://127.0.0.1:${dotenv.FRONTEND_PORT}` };
  }

  async function ask(url: string, content: string): Promise<string> {
    const send = (path: string, body: object, cookie = '') =>
      fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', cookie },
        body: JSON.stringify(body),
      });
    const signedIn = await send('/auth/login', ADMIN);
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0];
    const messages = [{ role: 'user', content }];
    return (await send('/v1/chat/completions', { model: 'demo', messages }, cookie)).text();
  }

  test('it is not root, finds the homes on the host, answers, and ends by SIGTERM', async () => {
    const [one, other] = [await up('one'), await up('other')];
    expect(await ask(one.url, 'echo from one')).toContain('from one');
    expect(await ask(other.url, 'echo from the other')).toContain('from the other');

    const runners = await docker.listContainers({ filters: { label: ['agent-stack.backend=demo'] } });
    const homes = runners.flatMap(({ Mounts }) => Mounts.map(({ Source }) => Source));
    for (const { dataRoot } of [one, other]) expect(homes.filter((home) => home.startsWith(dataRoot))).toHaveLength(1);
    expect((await stat(join(one.dataRoot, 'router.db'))).uid).toBe(USER);

    expect(await runInside(one.container, ['bun', 'scripts/doctor.ts'])).toContain('\nNothing is wrong.\n');
    for (const command of ['admin', 'backup', 'import', 'restore', 'rotate-key']) {
      expect(await runInside(one.container, ['bun', `scripts/${command}.ts`, '--help'])).toContain('Usage');
    }

    await one.container.stop({ t: 20 });
    expect((await one.container.inspect()).State.ExitCode).toBe(0);
    expect(await one.output()).toContain('router.stopped');
  });
});
