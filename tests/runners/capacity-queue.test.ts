/** Starts in the queue: users take turns, everybody sees their place, and nobody waits without end. */
import { expect, test } from 'bun:test';
import OpenAI, { RateLimitError } from 'openai';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { framesOf, list, problemOf, say, start, statusOf, stop } from '../support/runners';
import { Reading } from '../support/scripted-runner';
import { all } from '../views/dom';

const names = (count: number) => Array.from({ length: count }, (_, index) => `agent-${index}`);

/** A router that allows this many starts at once, with these backends. */
function routerWith(maxStarts: number, backends = ['echo'], env: Record<string, string> = {}) {
  return startRouter({
    backends: backends.map((name) => memoryBackend(name)),
    env: { MAX_STARTS: String(maxStarts), ...env },
  });
}

/** Every start waits at the driver until it is released, oldest first. */
function gate(router: TestRouter) {
  const held: (() => void)[] = [];
  router.platform.intercept('start', () => new Promise<void>((resolve) => held.push(resolve)));
  return async () => {
    const [first] = await until(() => held.length > 0 && held, 'a start has come to the driver');
    held.shift();
    first?.();
  };
}

const placeOf = async (router: TestRouter, person: Person, backend = 'echo') =>
  (await statusOf(router, person, backend)).progress.place;
const queued = (router: TestRouter, person: Person, backend = 'echo') =>
  until(() => placeOf(router, person, backend), 'its start is queued');

/** Alice's start hangs, and Bob waits for his turn. */
async function withQueue(env: Record<string, string> = {}) {
  const router = await routerWith(1, ['echo'], env);
  const [alice, bob] = [await router.person(PEOPLE.alice), await router.person(PEOPLE.bob)];
  const letThrough = gate(router);
  const alices = start(alice);
  await until(() => router.platform.calls('start') === 1, 'it starts');
  return { router, alice, bob, letThrough, alices };
}

test('sixty first messages of six users: two start at once, all are answered, and users take turns', async () => {
  const backends = names(10);
  await using router = await routerWith(2, backends);
  const { runners, stores } = router.context;
  const people = await Promise.all(
    names(6).map((name) => router.person({ email: `${name}@example.org`, name, password: 'a-password-of-6' })),
  );
  for (const person of people) await person.request('/');
  const agents = (await Promise.all(people.map(({ id }) => stores.agents.list(id)))).flat();
  const stages = () => agents.map(({ id }) => runners.status(id)).filter(({ state }) => state === 'starting');
  const isQueued = (one: ReturnType<typeof runners.status>) => one.progress.stage === 'queued';
  const startedBy: string[] = [];
  let most = 0;
  router.platform.intercept('start', async ({ subject }) => {
    most = Math.max(most, stages().filter((one) => !isQueued(one)).length);
    const row = (await stores.runners.list()).find(({ id }) => id === subject);
    startedBy.push(agents.find(({ id }) => id === row?.agentId)?.userId ?? '');
  });
  const release = router.platform.hold('start');
  const answers = people.flatMap((person, index) =>
    backends.map(async (model) => {
      const response = await say(person, `${index} to ${model}`, { model });
      return (await response.text()).includes(`${index} to ${model}`);
    }),
  );
  await until(() => stages().filter(isQueued).length === 58, 'all others wait');
  release();
  expect(await Promise.all(answers)).toEqual(answers.map(() => true));
  expect(most).toBe(2);
  // Compared while everybody had a start in the queue, because two parallel starts may reach the driver in either
  // order.
  const counts = new Map(people.map(({ id }) => [id, 0]));
  for (const userId of startedBy.slice(2, 50)) {
    counts.set(userId, (counts.get(userId) ?? 0) + 1);
    expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(2);
  }
  expect(router.platform.runners.size).toBe(60);
}, 60_000);

test("one user's many starts do not delay another's first, and everybody's place moves up", async () => {
  const backends = names(5);
  await using router = await routerWith(1, backends);
  const [alice, bob] = [await router.person(PEOPLE.alice), await router.person(PEOPLE.bob)];
  const letThrough = gate(router);
  const places = () => Promise.all(backends.slice(1).map((name) => placeOf(router, alice, name)));
  const asked: Promise<Response>[] = [];
  for (const name of backends) {
    asked.push(start(alice, name));
    await until(async () => (await statusOf(router, alice, name)).state === 'starting', 'it is asked for');
  }
  await until(async () => (await places()).join() === '1,2,3,4', 'they are in line');
  asked.push(start(bob, 'agent-0'));
  expect(await queued(router, bob, 'agent-0')).toBe(2);
  expect(await places()).toEqual([1, 3, 4, 5]);
  await letThrough();
  await until(async () => (await placeOf(router, bob, 'agent-0')) === 1, 'he is next');
  expect(await places()).toEqual([undefined, 2, 3, 4]);
  await letThrough();
  await until(async () => (await placeOf(router, bob, 'agent-0')) === undefined, 'it is his turn');
  expect(await places()).toEqual([undefined, 1, 2, 3]);
  for (const _ of backends.slice(1)) await letThrough();
  for (const response of await Promise.all(asked)) expect(response.status).toBe(200);
});

test('the place is in the progress, in the comments of a waiting stream and on the page', async () => {
  const { router, bob, letThrough, alices } = await withQueue();
  await using _ = router;
  const key = await bob.createKey();
  const body = { model: 'echo', stream: true, messages: [{ role: 'user', content: 'hello' }] };
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const init = { method: 'POST', headers, body: JSON.stringify(body) };
  const received = fetch(`${router.url}/v1/chat/completions`, init).then((response) => new Reading(response));
  await queued(router, bob);
  const frames = framesOf(bob);
  expect((await frames.next()).value).toMatchObject({
    stage: 'queued',
    progress: 4,
    detail: { state: 'starting', place: 1 },
  });
  const { conversations, generations, stores } = router.context;
  const [agent] = await stores.agents.list(bob.id);
  if (!agent) throw new Error('premise: Bob has an agent');
  const conversation = await conversations.create(agent);
  const { id } = await generations.start(conversation, 'hello');
  const page = await (await bob.request(`/conversations/${conversation.id}`)).text();
  const words = 'Waiting for its turn to start: 1st in line';
  expect((await all(page, `#message-${id}`))[0]?.text).toContain(words);
  expect((await all(page, `#runner-panel-${agent.id}`))[0]?.text).toContain(words);
  expect((await all(page, `#runner-bar-${agent.id}`))[0]?.text).toBe('1st in line');
  await (await received).until(': agent-stack: Waiting for its turn, number 1 in the queue\n');
  await letThrough();
  await letThrough();
  expect(await (await received).end()).toEndWith('data: [DONE]\n\n');
  expect((await alices).status).toBe(200);
  const rest = await Array.fromAsync(frames);
  expect(rest.map(({ stage }) => stage)).not.toContain('error');
  expect(rest.at(-1)).toMatchObject({ stage: 'ready' });
}, 60_000);

test('a start that has waited too long is a 429 that says when to come back, and no failure of the agent', async () => {
  const { router, bob, letThrough, alices } = await withQueue({ START_QUEUE_SECONDS: '0.05' });
  await using _ = router;
  const refused = await say(bob, 'hello');
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeWithin(5, 16);
  expect(await refused.json()).toEqual({
    error: {
      message: expect.stringMatching(/^The agent waited 0\.05 s for its turn to start: .*MAX_STARTS/),
      type: 'rate_limit_error',
      param: null,
      code: 'start_queue_timeout',
    },
    detail: expect.stringMatching(/^The agent waited 0\.05 s/),
  });
  const baseURL = `${router.url}/v1`;
  const client = new OpenAI({ apiKey: await bob.createKey(), baseURL, maxRetries: 0 });
  const asked = client.chat.completions.create({ model: 'echo', messages: [{ role: 'user', content: 'hello' }] });
  expect(await asked.catch((error: unknown) => error)).toBeInstanceOf(RateLimitError);
  expect(await statusOf(router, bob)).toMatchObject({ state: 'stopped', leases: 0 });
  expect(router.platform.calls('start')).toBe(1);
  await letThrough();
  expect((await alices).status).toBe(200);
  // There is no back-off: as soon as there is room, there is an answer.
  const answer = say(bob, 'hello again');
  await letThrough();
  expect(await (await answer).text()).toContain('hello again');
});

test('a start for which nobody waits any more leaves the queue when its turn comes', async () => {
  const { router, alice, bob, letThrough, alices } = await withQueue();
  await using _ = router;
  const client = new AbortController();
  const asked = bob.request('/api/runners/echo/start', { method: 'POST', signal: client.signal });
  await queued(router, bob);
  client.abort();
  await asked.catch(() => undefined);
  expect(await placeOf(router, bob)).toBe(1);
  await letThrough();
  expect((await alices).status).toBe(200);
  await until(async () => (await statusOf(router, bob)).state === 'stopped', 'it is given up');
  expect([router.platform.calls('start'), await list(bob)]).toEqual([1, []]);
  // The user who kept waiting is served, and so is the user who returns.
  const answer = say(bob, 'here I am');
  await letThrough();
  expect(await (await answer).text()).toContain('here I am');
  expect(await list(alice)).toHaveLength(1);
});

test('law 5: a stop ends a start that waits for its turn at once', async () => {
  const { router, alice, bob, letThrough, alices } = await withQueue();
  await using _ = router;
  const asked = start(bob);
  await queued(router, bob);
  expect(await stop(bob)).toBe(true);
  expect([(await asked).status, (await problemOf(await asked)).detail]).toEqual([409, 'The start was stopped.']);
  expect(await statusOf(router, bob)).toMatchObject({ state: 'stopped', leases: 0 });
  // The start that is under way goes on.
  expect(await statusOf(router, alice)).toMatchObject({ state: 'starting' });
  await letThrough();
  expect((await alices).status).toBe(200);
});

test('a router that ends refuses the requests in the queue', async () => {
  const { router, bob, alices } = await withQueue();
  await using _ = router;
  const asked = start(bob);
  await queued(router, bob);
  const stopping = router.stop();
  expect([(await asked).status, (await problemOf(await asked)).code]).toEqual([503, 'shutting_down']);
  expect((await alices).status).toBe(503);
  await stopping;
  expect(router.platform.calls('start')).toBe(1);
});
