import { afterAll, beforeAll, expect, test } from 'bun:test';
import { DriverError } from '../../drivers/driver';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { handClock, say, start, stop, switchable, theRunner } from '../support/runners';

const clock = handClock();
const script = switchable('loads');
let router: TestRouter;
let alice: Person;
let mallory: Person;
let agentId: string;

beforeAll(async () => {
  const backends = [memoryBackend('echo', { limits: { memory: '64m', cpus: 2 } }, script.name)];
  router = await startRouter({ backends, now: clock.now });
  alice = await router.person(PEOPLE.alice);
  mallory = await router.person(PEOPLE.mallory);
  const { agents } = (await (await alice.request('/api/agents')).json()) as { agents: { id: string }[] };
  agentId = agents[0]?.id ?? '';
});
afterAll(() => router[Symbol.asyncDispose]());

const page = async (person = alice) => {
  const response = await person.request(`/agents/${agentId}/runner`, { headers: { accept: 'text/html' } });
  return { status: response.status, text: await response.text() };
};

test('running runners are sampled, and those that are asleep are not', async () => {
  const { loads } = router.context;
  await loads.sample();
  expect(loads.of(agentId)).toEqual([]);
  await start(alice);
  await loads.sample();
  clock.advanceSeconds(20);
  await loads.sample();
  expect(loads.of(agentId)).toHaveLength(2);
  const found = router.context.runners.findRunning(agentId);
  expect(found && loads.newest(found)).toMatchObject({ memoryBytes: 1_048_576, atMs: clock.now() });
  expect(loads.total()).toEqual({ cpuPercent: 1, memoryBytes: 1_048_576 });
  await stop(alice);
  await loads.sample();
  expect(loads.of(agentId)).toHaveLength(2);
  expect(loads.total()).toEqual({ cpuPercent: 0, memoryBytes: 0 });
});

test('samples are kept for an hour', async () => {
  const { loads } = router.context;
  clock.advanceSeconds(3_601);
  await start(alice);
  await loads.sample();
  clock.advanceSeconds(3_590);
  await loads.sample();
  expect(loads.of(agentId)).toHaveLength(2);
  clock.advanceSeconds(3_601);
  expect(loads.of(agentId)).toEqual([]);
});

test('CPU and memory of the last hour are two drawings, each with its words, as soon as there is something to draw', async () => {
  await start(alice);
  const drawn = async () => (await page()).text.match(/<svg[^>]*role="img"[\s\S]*?class="load-line"/g)?.length ?? 0;
  expect(await drawn()).toBe(0);
  for (let samples = 0; samples < 3; samples += 1) {
    clock.advanceSeconds(60);
    await router.context.loads.sample();
  }
  expect(await drawn()).toBe(2);
});

test('a platform that does not answer is asked once in a pass', async () => {
  const { loads } = router.context;
  await start(mallory);
  const before = router.platform.calls('stats');
  const heal = router.platform.fail('stats', 'unavailable');
  await loads.sample();
  heal();
  // The second worker may have asked at the same time.
  expect(router.platform.calls('stats') - before).toBeLessThanOrEqual(2);
  await loads.sample();
  expect(loads.total().memoryBytes).toBe(2 * 1_048_576);
  await stop(mallory);
});

test('a wrong answer about one runner keeps no other one from being sampled', async () => {
  // More than are asked at once.
  const backends = Array.from({ length: 9 }, (_, index) => memoryBackend(`b${index}`));
  await using many = await startRouter({ backends });
  const bob = await many.person(PEOPLE.bob);
  for (const { name } of many.context.backends.all()) expect((await start(bob, name)).status).toBe(200);
  many.platform.intercept('stats', () => {
    if (many.platform.calls('stats') <= 8) throw new DriverError('memory', 'wrong_answer', 'no', { cause: undefined });
  });
  await many.context.loads.sample();
  expect(many.context.loads.total().memoryBytes).toBe(1_048_576);
});

test('the page of a runner says in words what it works on, and shows its output without keys', async () => {
  const answer = Promise.withResolvers<Response>();
  script.answer = () => answer.promise;
  const asked = say(alice, 'Hello');
  await until(() => router.context.runners.status(agentId).requests === 1, 'the answer is under way');
  const { spec } = theRunner(router);
  router.platform.say(spec.id, `\u001b[31mthe key is ${spec.env.OPENAI_API_KEY}\u001b[0m`);
  const { text } = await page();
  expect(text).toContain('busy: 1 answer<');
  expect(text).toContain('the key is [key]');
  expect(text).toContain('It may use 2 CPUs and 64 MB of memory');
  answer.resolve(Response.json({ choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' } }] }));
  await asked;
  expect((await page()).text).toContain('nothing to do');
});

test('nobody sees or restarts the runner of another user', async () => {
  expect((await page(mallory)).status).toBe(404);
  const restart = await mallory.request(`/agents/${agentId}/runner/restart`, { method: 'POST' });
  expect(restart.status).toBe(404);
  expect(router.context.runners.status(agentId).state).toBe('running');
});

test('a restart ends the runner and starts another one', async () => {
  const idOf = () => router.context.runners.running().find(({ agent }) => agent.id === agentId)?.runner.id;
  const before = idOf();
  const response = await alice.request(`/agents/${agentId}/runner/restart`, { method: 'POST' });
  expect(response.status).toBe(303);
  await start(alice);
  expect(idOf()).not.toBe(before);
});
