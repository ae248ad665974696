/**
 * Errors of the file system of homes are explained: to the user who waits for the start, on `/healthz` and by the
 * doctor.
 */

import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HomeError, homeFault } from '../../router/agents/home-faults';
import { examine } from '../../scripts/doctor';
import { freePort } from '../support/ports';
import { backendsWithDemoEnv, startRouterProcess } from '../support/process';
import { memoryBackend, PEOPLE, SETTINGS, startRouter, type TestRouter } from '../support/router';
import { problemOf, start } from '../support/runners';

/** Only ends a failed test: a router is built and started for one. */
setDefaultTimeout(60_000);

const cleanUp = new AsyncDisposableStack();
afterAll(() => cleanUp.disposeAsync());

/** A file system of its own, if this process may mount one. */
async function mounted(options: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-stack-disk-'));
  await Bun.$`mount -t tmpfs -o ${options} tmpfs ${folder}`.quiet();
  cleanUp.defer(async () => {
    await Bun.$`umount -l ${folder}`.nothrow().quiet();
    await rm(folder, { recursive: true, force: true });
  });
  return folder;
}

async function canMount(): Promise<boolean> {
  return (
    process.getuid?.() === 0 &&
    (await mounted('size=64k').then(
      () => true,
      () => false,
    ))
  );
}

/** A seed whose one file has 200 kB. */
async function largeSeed(): Promise<string> {
  const seeds = await mkdtemp(join(tmpdir(), 'agent-stack-seeds-'));
  cleanUp.defer(() => rm(seeds, { recursive: true, force: true }));
  await mkdir(join(seeds, 'large'));
  await writeFile(join(seeds, 'large/file'), Buffer.alloc(200_000));
  return seeds;
}

const backends = [memoryBackend('echo', { seed_subdir: 'large' })];

async function healthOf(router: TestRouter): Promise<string | undefined> {
  const health = (await (await router.request('/healthz')).json()) as { ok: boolean; homes_problem?: string };
  expect(health.ok).toBe(true);
  return health.homes_problem;
}

async function startError(router: TestRouter) {
  const response = await start(await router.person(PEOPLE.alice));
  return { status: response.status, ...(await problemOf(response)) };
}

async function doctorSays(homesRoot: string): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-stack-doctor-'));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  const backendsPath = join(folder, 'backends.json');
  await writeFile(backendsPath, JSON.stringify(backends));
  const env = {
    ...SETTINGS,
    ...{ STACK_DATA_ROOT: folder, USERS_ROOT: homesRoot, BACKENDS_CONFIG_PATH: backendsPath },
    ...{ FRONTEND_PORT: String(freePort()), ROUTER_PORT: String(freePort()) },
  };
  return (await Array.fromAsync(examine(env))).find(({ name, state }) => name === 'homes' && state === 'problem')?.text;
}

describe.skipIf(!(await canMount()))('a disk that refuses', () => {
  const CASES: [what: string, options: string, spoil: (folder: string) => Promise<unknown>, words: string][] = [
    ['is full', 'size=64k', async () => 0, 'the disk of its home is full'],
    [
      'holds too many files',
      'size=64m,nr_inodes=3',
      (folder) => mkdir(join(folder, 'taken')),
      'the disk of its home is full',
    ],
    [
      'is read-only',
      'size=64m',
      (folder) => Bun.$`mount -o remount,ro ${folder}`.quiet(),
      'the disk of its home is read-only',
    ],
  ];
  test.each(CASES)('a disk that %s is told as that', async (_, options, spoil, words) => {
    const homes = await mounted(options);
    await using router = await startRouter({ backends, env: { SEEDS_ROOT: await largeSeed(), USERS_ROOT: homes } });
    await spoil(homes);
    expect(await startError(router)).toMatchObject({ status: 502, code: 'runner_failed', hint: expect.any(String) });
    expect((await startError(router)).detail).toBe(`echo could not start: ${words}.`);
    expect(await healthOf(router)).toBe(`Homes cannot be made ready: ${words}.`);
    expect(await doctorSays(homes)).toBe(`homes cannot be made ready: ${words}`);
  });

  test('a start goes through when there is room again, and nothing of the checks is left', async () => {
    const homes = await mounted('size=64k');
    await using router = await startRouter({ backends, env: { SEEDS_ROOT: await largeSeed(), USERS_ROOT: homes } });
    expect((await startError(router)).status).toBe(502);
    await Bun.$`mount -o remount,size=64m ${homes}`.quiet();
    expect((await start(await router.person(PEOPLE.alice))).status).toBe(200);
    await healthOf(router);
    expect((await readdir(homes)).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

test('a disk that is well is no problem', async () => {
  await using router = await startRouter();
  expect(await healthOf(router)).toBeUndefined();
});

test('every error code of the system has a description without a path, and an unknown code is named', () => {
  const fault = (code: string) => {
    const found = homeFault(Object.assign(new Error(`${code}: /data/homes/a1`), { code }));
    if (!(found instanceof HomeError)) throw new Error(`${code} is no fault of a home`);
    return `${found.message} | ${found.hint}`;
  };
  const codes =
    'ENOSPC EDQUOT EROFS EACCES EPERM EMFILE ENFILE ENAMETOOLONG EFBIG EMLINK ENOENT ENOMEM EBUSY EIO ESTALE';
  for (const code of codes.split(' ')) {
    expect(fault(code)).not.toContain(code);
    expect(fault(code)).not.toContain('/data');
  }
  expect(fault('EWHATEVER')).toContain('(EWHATEVER)');
  expect(homeFault(new TypeError('a bug'))).toBeInstanceOf(TypeError);
});

const canDrop = process.getuid?.() === 0 && Bun.which('setpriv') !== null;

test.skipIf(!canDrop)('the error of a router that cannot change the owner of homes names the user', async () => {
  const entries = await backendsWithDemoEnv({});
  const demo = entries.filter(({ name }) => name === 'demo').map((entry) => ({ ...entry, chown_uid: 4_242 }));
  await using router = await startRouterProcess({
    backends: demo,
    prefix: ['setpriv', '--bounding-set=-chown', '--inh-caps=-chown'],
  });
  const words = 'the router cannot give its home to user 4242, group 4242 (EPERM)';
  const health = (await (await fetch(`${router.url}/healthz`)).json()) as { homes_problem?: string };
  expect(health.homes_problem).toBe(`Homes cannot be made ready: ${words}.`);
  const admin = await router.signIn();
  const response = await admin.request('/api/runners/demo/start', { method: 'POST', body: {} });
  expect(response.status).toBe(502);
  expect((await problemOf(response)).detail).toEndWith(`could not start: ${words}.`);
});
