/** The known state of images: on `/healthz`, and on the page of an agent whose image is missing. */
import { expect, test } from 'bun:test';
import { DriverError, type StartProgress } from '../../drivers/driver';
import { ADMIN, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { handClock, start, statusOf } from '../support/runners';
import { all } from '../views/dom';

const IMAGE = 'image/echo:1';
const prepulled = { backends: [memoryBackend('echo', { image: IMAGE })], env: { BACKEND_PREPULL_AT_STARTUP: 'true' } };

async function outcomes(router: TestRouter): Promise<Record<string, string>> {
  return ((await (await router.request('/healthz')).json()) as { prepull_status: Record<string, string> })
    .prepull_status;
}

/** The data and the platform of an installation whose router has ended, and which has fetched nothing. */
async function earlierLife() {
  const { dataRoot, platform, stop } = await startRouter({ backends: prepulled.backends });
  await stop();
  return { dataRoot, platform };
}

async function outcome(router: TestRouter, begin: string): Promise<string> {
  return until(async () => {
    const status = (await outcomes(router))[IMAGE];
    return status?.startsWith(begin) && status;
  }, `the image is ${begin}`);
}

async function noticeFor(router: TestRouter, person: Person): Promise<string> {
  const backend = router.context.backends.find('echo');
  if (!backend) throw new Error('premise: echo is a backend');
  const { id } = await router.context.agents.defaultOf(person.id, backend);
  const page = await (await person.request(`/agents/${id}`)).text();
  return (await all(page, `#availability-${id}`))[0]?.text ?? 'no place for a notice';
}

test('BACKEND_PREPULL_AT_STARTUP fetches each image in the background and reports the outcome', async () => {
  await using router = await startRouter({
    ...prepulled,
    backends: [
      memoryBackend('echo', { image: IMAGE }),
      memoryBackend('same', { image: IMAGE }),
      memoryBackend('none'),
      memoryBackend('off', { image: 'image/off:1', disabled: true }),
    ],
  });
  await outcome(router, 'ok');
  expect(await outcomes(router)).toEqual({ [IMAGE]: 'ok' });
  expect(router.platform.calls('prepare')).toBe(1);
});

test('an image that was there already is present', async () => {
  const first = await startRouter(prepulled);
  await outcome(first, 'ok');
  await first.stop();
  await using again = await startRouter({ ...prepulled, dataRoot: first.dataRoot });
  await outcome(again, 'present');
});

test('without prepull nothing is fetched before a start asks for it', async () => {
  await using router = await startRouter({ backends: prepulled.backends });
  expect(await outcomes(router)).toEqual({ _disabled: 'BACKEND_PREPULL_AT_STARTUP=false' });
  expect(router.platform.calls('prepare')).toBe(0);
});

test('while an image is fetched its agent can be written to, and the page says that it will take a while', async () => {
  await using router = await startRouter({ backends: prepulled.backends });
  const [alice, bob] = [await router.person(PEOPLE.alice), await router.person(PEOPLE.bob)];
  const release = router.platform.hold('prepare');
  const starting = start(alice);
  await until(async () => (await noticeFor(router, bob)) !== '', 'bob is told');
  expect(await noticeFor(router, bob)).toContain('is being fetched. You can write now');
  // Her own answer shows the progress.
  expect(await noticeFor(router, alice)).toBe('');
  release();
  expect((await starting).status).toBe(200);
  expect(await noticeFor(router, bob)).toBe('');
});

test.each([
  [{ percent: 40, message: `with ak-${'k'.repeat(43)}` }, { percent: 40, message: 'with [key]' }, 24],
  [{ percent: 300, message: 'x'.repeat(1_000) }, { percent: undefined, message: `${'x'.repeat(200)}…` }, 10],
  [{ percent: Number.NaN, message: 5 }, { percent: undefined, message: '' }, 10],
])(
  'the progress of a fetch has a percent, and words that are short and without keys (%#)',
  async (said, told, percent) => {
    await using router = await startRouter({ backends: prepulled.backends });
    const alice = await router.person(PEOPLE.alice);
    const [spoken, fetched] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    router.platform.intercept('prepare', ({ context }) => {
      context?.progress({ stage: 'pull', ...said } as StartProgress);
      spoken.resolve();
      return fetched.promise;
    });
    const starting = start(alice);
    await spoken.promise;
    const [backend] = router.context.backends.all();
    expect(backend && router.context.images.stateOf(backend)).toEqual({ state: 'pulling', ...told });
    expect((await statusOf(router, alice)).progress).toEqual({ stage: 'image_pull', percent, message: told.message });
    fetched.resolve();
    expect((await starting).status).toBe(200);
  },
);

test('an image that could not be had says why and what to type to the administrator, until a start has it', async () => {
  const { dataRoot, platform } = await earlierLife();
  const failing = platform.intercept('prepare', () => {
    throw new DriverError('memory', 'image_missing', 'there is no such image', {
      cause: new Error('404'),
      hint: 'docker build -t image/echo:1 images/echo',
    });
  });
  await using router = await startRouter({ ...prepulled, dataRoot });
  expect(await outcome(router, 'failed')).toBe('failed: There is no such image.');
  const [alice, admin] = [await router.person(PEOPLE.alice), await router.person(ADMIN)];
  expect(await noticeFor(router, admin)).toMatch(
    /There is no such image\.\s+docker build -t image\/echo:1 images\/echo/,
  );
  const told = await noticeFor(router, alice);
  expect(told).toContain('Ask an administrator to provide it');
  expect(told).not.toContain('docker build');
  failing();
  expect((await start(alice)).status).toBe(200);
  expect(await noticeFor(router, admin)).toBe('');
  await outcome(router, 'ok');
});

test('a silent platform is the reason while it is silent, and its images are fetched when it answers', async () => {
  const { dataRoot, platform } = await earlierLife();
  platform.available = false;
  await using router = await startRouter({ ...prepulled, dataRoot });
  expect(await outcome(router, 'failed')).toBe('failed: The platform does not answer.');
  platform.available = true;
  await router.context.platforms.check(new AbortController().signal);
  expect(await outcomes(router)).toEqual({});
  await router.context.images.prepullAll(new AbortController().signal);
  await outcome(router, 'ok');
});

test('a pull that is given up says nothing of the image', async () => {
  await using router = await startRouter({ backends: prepulled.backends });
  const alice = await router.person(PEOPLE.alice);
  router.platform.hold('prepare');
  const starting = start(alice);
  await until(() => router.platform.calls('prepare') === 1, 'it is being fetched');
  await alice.request('/api/runners/echo', { method: 'DELETE' });
  await starting;
  const [backend] = router.context.backends.all();
  expect(backend && router.context.images.stateOf(backend)).toBeUndefined();
});

test('a fetch that failed is tried again after 10, 20, 40 … seconds, at most 10 minutes, until it is there', async () => {
  const clock = handClock();
  const { dataRoot, platform } = await earlierLife();
  const mend = platform.fail('prepare', 'image_missing');
  await using router = await startRouter({ ...prepulled, dataRoot, now: clock.now });
  await outcome(router, 'failed');
  const tries = () => platform.calls('prepare');
  const pass = () => router.context.images.prepullAll(new AbortController().signal);
  for (const waitSeconds of [10, 20, 40, 80, 160, 320, 600, 600]) {
    const before = tries();
    clock.advanceSeconds(waitSeconds - 1);
    await pass();
    expect(tries()).toBe(before);
    clock.advanceSeconds(1);
    await pass();
    expect(tries()).toBe(before + 1);
  }
  mend();
  clock.advanceSeconds(600);
  await pass();
  await outcome(router, 'ok');
});

test('an image whose registry never answers keeps no other one from being fetched, nor from being tried again', async () => {
  const clock = handClock();
  const { dataRoot, platform } = await earlierLife();
  let isAway = true;
  platform.intercept('prepare', ({ subject }) => {
    if (subject === 'silent/one:1') return new Promise(() => {});
    if (subject === 'away/one:1' && isAway) throw new DriverError('memory', 'image_missing', 'away', { cause: 0 });
  });
  const backends = ['silent/one:1', 'away/one:1', IMAGE].map((image, index) => memoryBackend(`b${index}`, { image }));
  await using router = await startRouter({ ...prepulled, backends, dataRoot, now: clock.now });
  await outcome(router, 'ok');
  await until(async () => (await outcomes(router))['away/one:1']?.startsWith('failed'), 'the other one has failed');
  isAway = false;
  clock.advanceSeconds(10);
  void router.context.images.prepullAll(new AbortController().signal);
  await until(async () => (await outcomes(router))['away/one:1'] === 'ok', 'it is tried again');
});
