/** What people and programs see while a platform does not answer, and when it answers again. */
import { expect, test } from 'bun:test';
import { ADMIN, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { say, statusOf } from '../support/runners';
import { all } from '../views/dom';

const SILENCE = 'The platform does not answer.';

/** Two drivers with a platform each: one that can become silent, and one that needs none. */
const BACKENDS = [
  memoryBackend('echo', { display_name: 'Echo', image: 'image/echo:1' }),
  { name: 'local', display_name: 'Local', driver: 'process', trusted: true, cmd: ['true'] },
];

interface Health {
  readonly ok: boolean;
  readonly driver_problems?: Record<string, string>;
  readonly prepull_status: Record<string, string>;
}

const healthOf = async (router: TestRouter) => (await (await router.request('/healthz')).json()) as Health;

async function setAvailable(router: TestRouter, isAvailable: boolean): Promise<void> {
  router.platform.available = isAvailable;
  await router.context.platforms.check(new AbortController().signal);
}

async function agentPath(router: TestRouter, person: Person, name: string): Promise<string> {
  const backend = router.context.backends.find(name);
  if (!backend) throw new Error(`premise: ${name} is a backend`);
  return `/agents/${(await router.context.agents.defaultOf(person.id, backend)).id}`;
}

const shown = async (person: Person, path: string) => (await person.request(path)).text();
const namesOf = async (page: string) => (await all(page, '#sidebar .agents .ellipsis')).map(({ text }) => text);

/** The events of a page's live stream. Ends with the test. */
async function listen(router: TestRouter, person: Person, signal: AbortSignal) {
  const response = await fetch(`${router.url}/live`, { headers: { cookie: person.cookie }, signal });
  const received = { text: '' };
  const decoder = new TextDecoder();
  void (async () => {
    for await (const bytes of response.body ?? []) received.text += decoder.decode(bytes, { stream: true });
  })().catch(() => undefined);
  return received;
}

test('a platform that is silent at boot or later is named on /healthz until it answers', async () => {
  await using router = await startRouter({ backends: BACKENDS });
  expect((await healthOf(router)).driver_problems).toBeUndefined();
  await setAvailable(router, false);
  expect(await healthOf(router)).toMatchObject({ ok: true, driver_problems: { memory: SILENCE } });
  await router.stop();
  await using again = await startRouter({ dataRoot: router.dataRoot, backends: BACKENDS });
  // Only the boot has asked so far.
  expect((await healthOf(again)).driver_problems).toEqual({ memory: SILENCE });
  await setAvailable(again, true);
  expect((await healthOf(again)).driver_problems).toBeUndefined();
});

test('an agent whose platform is silent comes last, says so, and the page in front is one that can answer', async () => {
  await using router = await startRouter({ backends: BACKENDS });
  const [alice, admin] = [await router.person(PEOPLE.alice), await router.person(ADMIN)];
  const echo = await agentPath(router, alice, 'echo');
  expect(await namesOf(await shown(alice, echo))).toEqual(['Echo', 'Local']);
  expect((await alice.request('/')).headers.get('location')).toBe(echo);

  await setAvailable(router, false);
  const page = await shown(alice, echo);
  expect(await namesOf(page)).toEqual(['Local', 'Echo']);
  const [badge] = await all(page, `#runner-${echo.split('/').at(-1)}`);
  expect(badge?.text).toBe('not available');
  expect((await all(page, '#unavailable'))[0]?.text).toContain('Ask an administrator.');
  // Only the administrator sees the platform's message.
  expect(page).not.toContain(SILENCE);
  expect(await shown(admin, await agentPath(router, admin, 'echo'))).toContain(SILENCE);
  expect(await all(await shown(alice, await agentPath(router, alice, 'local')), '#unavailable')).toEqual([]);
  expect((await alice.request('/')).headers.get('location')).toBe(await agentPath(router, alice, 'local'));
});

test('a conversation with an agent that cannot start is not the page in front while another can', async () => {
  await using router = await startRouter({ backends: BACKENDS });
  const alice = await router.person(PEOPLE.alice);
  const body = new URLSearchParams({ text: 'hello' });
  const begun = await alice.request(`${await agentPath(router, alice, 'echo')}/conversations`, {
    method: 'POST',
    body,
  });
  const conversation = begun.headers.get('location') ?? '';
  await until(() => router.context.runners.running()[0]?.status.leases === 0, 'it is answered');
  expect((await alice.request('/')).headers.get('location')).toBe(conversation);
  // Its runner runs, so it does not need the platform.
  await setAvailable(router, false);
  expect((await alice.request('/')).headers.get('location')).toBe(conversation);
  expect(await all(await shown(alice, conversation), '#unavailable')).toEqual([]);
  await setAvailable(router, true);
  await router.context.runners.stop(router.context.runners.running()[0]?.agent.id ?? '', 'test');
  await setAvailable(router, false);
  expect((await alice.request('/')).headers.get('location')).toBe(await agentPath(router, alice, 'local'));
  expect(await all(await shown(alice, conversation), '#unavailable')).toHaveLength(1);
});

test('a page that is open learns by itself that the platform fell silent, and that it answers again', async () => {
  await using router = await startRouter({ backends: BACKENDS });
  const alice = await router.person(PEOPLE.alice);
  const id = (await agentPath(router, alice, 'echo')).split('/').at(-1);
  const leaving = new AbortController();
  const live = await listen(router, alice, leaving.signal);
  await until(() => live.text.includes(`#runner-${id}`), 'the stream has begun');
  live.text = '';
  await setAvailable(router, false);
  await until(() => live.text.includes('id="unavailable"'), 'it is told of the silence');
  expect(live.text).toContain(`hx-target="#availability-${id}"`);
  expect(live.text).not.toContain(SILENCE);
  live.text = '';
  await setAvailable(router, true);
  await until(() => live.text.includes(`#availability-${id}`), 'it is told of the return');
  expect(live.text).not.toContain('id="unavailable"');
  leaving.abort();
});

test('while the platform is silent a start is refused at once, with reason and remedy, and leaves no intent', async () => {
  await using router = await startRouter({ backends: BACKENDS });
  const alice = await router.person(PEOPLE.alice);
  await setAvailable(router, false);
  // Every other call of the platform would hang.
  for (const verb of ['list', 'start', 'prepare'] as const) router.platform.hold(verb);
  for (const stream of [false, true]) {
    const response = await say(alice, 'hello', { stream });
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    expect([response.status, error.code]).toEqual([503, 'driver_unavailable']);
    expect(error.message).toContain('Echo could not start: the platform does not answer');
  }
  expect(await router.context.stores.runners.list()).toEqual([]);
  const { data } = (await (await alice.request('/v1/models')).json()) as { data: { id: string }[] };
  expect(data.map((model) => model.id)).toEqual(expect.arrayContaining(['echo', 'local']));
});

test('a platform that is back is used at once: nobody is held off for the time it was silent', async () => {
  await using router = await startRouter({ backends: BACKENDS });
  const alice = await router.person(PEOPLE.alice);
  await setAvailable(router, false);
  for (let count = 0; count < 5; count += 1) expect((await say(alice, 'hello')).status).toBe(503);
  router.platform.available = true;
  expect((await say(alice, 'hello')).status).toBe(200);
  expect((await statusOf(router, alice)).state).toBe('running');
  // The start detected it, before any timer did.
  expect((await healthOf(router)).driver_problems).toBeUndefined();
});

test('a start finds out that a platform is silent before any clock does', async () => {
  await using router = await startRouter({ backends: BACKENDS });
  const alice = await router.person(PEOPLE.alice);
  router.platform.available = false;
  expect((await say(alice, 'hello')).status).toBe(503);
  expect((await healthOf(router)).driver_problems).toEqual({ memory: SILENCE });
});
