/** A runner that ends while it works: the client gets the reason, even if the platform knows it late. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import type { Health } from '../../drivers/driver';
import { memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { say, stop, theRunner } from '../support/runners';
import { chunk, completion, eventsOf, pipe, Reading, scriptedRunner } from '../support/scripted-runner';

const runner = scriptedRunner('runners-end');
let router: TestRouter;
let alice: Person;

beforeAll(async () => {
  router = await startRouter({ backends: [memoryBackend('echo', {}, runner.program)] });
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(async () => {
  runner.reply = () => completion('Hello.');
  expect((await say(alice, 'Hi')).status).toBe(200);
});

type Exit = Omit<Extract<Health, { state: 'exited' }>, 'state'>;

/**
 * Breaks the runner's connections now; the platform says how the runner ended only after it was asked once.
 * @returns Promise for the close of the last connection.
 */
function breaksNow(exit: Exit, isReported: boolean): Promise<void> {
  const entry = theRunner(router);
  const before = router.platform.calls('inspect');
  const closed = entry.close();
  const asked = until(() => router.platform.calls('inspect') > before, 'the platform is asked');
  void asked.then(() => {
    if (isReported) router.platform.crash(entry.spec.id, exit);
    // Nothing reports it, so the router has to ask.
    else entry.health = { state: 'exited', ...exit };
  });
  return closed;
}

const ENDS: [exit: Exit, words: string][] = [
  [{ exitCode: 137, outOfMemory: true }, 'it ran out of memory'],
  [{ exitCode: 3 }, 'it ended with exit code 3'],
  [{ exitCode: 137, signal: 'SIGKILL' }, 'it was ended by SIGKILL'],
];

const errorIn = (text: string | undefined) =>
  (JSON.parse(text ?? '{}') as { error: { message: string; code: string } }).error;

test.each(ENDS)('law 10: the client of an answer learns how the agent has ended (%j)', async (exit, words) => {
  for (const isReported of [true, false]) {
    for (const stream of [true, false]) {
      runner.reply = () => {
        router.platform.say(theRunner(router).spec.id, 'its last line');
        void breaksNow(exit, isReported);
        return new Promise(() => {});
      };
      const response = await say(alice, 'Work', { stream });
      expect(response.status).toBe(502);
      const { code, message } = errorIn(await response.text());
      expect(code).toBe('runner_lost');
      expect(message).toStartWith(`The agent stopped: ${words}. Send the message again to restart it.`);
      expect(message.includes('"limits.memory"')).toBe(exit.outOfMemory === true);
      expect(message).toEndWith('\nIts last output:\nits last line');
      runner.reply = () => completion('Here again.');
      expect(await (await say(alice, 'And now?')).text()).toContain('Here again.');
    }
  }
});

test.each(ENDS)('law 10: so does a client that has a part of the answer already (%j)', async (exit, words) => {
  for (const isReported of [true, false]) {
    const source = pipe();
    runner.reply = () => source.response();
    source.write(chunk('One.'));
    const received = new Reading(await say(alice, 'Work', { stream: true }));
    await received.until('One.');
    void breaksNow(exit, isReported);
    const [, error, done] = eventsOf(await received.end());
    expect(errorIn(error).message).toStartWith(`The agent stopped: ${words}.`);
    expect([errorIn(error).code, done]).toEqual(['runner_lost', '[DONE]']);
    runner.reply = () => completion('Here again.');
    expect((await say(alice, 'And now?')).status).toBe(200);
  }
});

test('law 17: the answer in the database says how the agent has ended', async () => {
  const { conversations, generations, agents, backends } = router.context;
  const [backend] = backends.all();
  if (!backend) throw new Error('premise: there is a backend');
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('One.'));
  const conversation = await conversations.create(await agents.defaultOf(alice.id, backend));
  const message = await generations.start(conversation, 'Work');
  await until(() => generations.textOf(message.id) === 'One.', 'the answer has begun');
  void breaksNow({ outOfMemory: true }, true);
  const saved = async () => (await conversations.page(conversation.id, { limit: 1 })).at(0);
  await until(async () => (await saved())?.status !== 'streaming', 'the answer has ended');
  expect(await saved()).toMatchObject({
    status: 'failed',
    content: 'One.',
    failure: {
      code: 'runner_lost',
      message: 'The agent stopped: it ran out of memory.',
      hint: expect.stringContaining('backends.json'),
    },
  });
});

test('an agent that only closes the connection has not stopped, and stays', async () => {
  const { spec } = theRunner(router);
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('One.'));
  const received = new Reading(await say(alice, 'Work', { stream: true }));
  await received.until('One.');
  source.cut();
  const [, error] = eventsOf(await received.end());
  expect(errorIn(error).message).toBe('The agent ended in the middle of its answer. Try again.');
  expect(theRunner(router).spec.id).toBe(spec.id);
  runner.reply = () => completion('Still here.');
  expect(await (await say(alice, 'And now?')).text()).toContain('Still here.');
});

test('an agent that somebody stops in the middle of its answer is said to be stopped', async () => {
  const source = pipe();
  runner.reply = () => source.response();
  source.write(chunk('One.'));
  const received = new Reading(await say(alice, 'Work', { stream: true }));
  await received.until('One.');
  expect(await stop(alice)).toBe(true);
  const [, error] = eventsOf(await received.end());
  expect(errorIn(error).message).toBe('The agent was stopped before its answer was complete.');
});

test('a runner that is found gone before the request has left is replaced, also where the platform knows it late', async () => {
  const starts = runner.specs.length;
  // A half-closed connection may still accept the request, which then is not sent again. A connection that was in use a
  // moment ago is not checked.
  await breaksNow({ exitCode: 1 }, false);
  const goneAtMs = Date.now();
  await until(() => Date.now() > goneAtMs + 2, 'its connection has rested');
  runner.reply = () => completion('From a new one.');
  expect(await (await say(alice, 'Anyone?')).text()).toContain('From a new one.');
  expect(runner.specs).toHaveLength(starts + 1);
});

test('a platform that is silent ends the waiting too, and nothing is known', async () => {
  runner.reply = () => {
    router.platform.available = false;
    void theRunner(router).close();
    return new Promise(() => {});
  };
  const response = await say(alice, 'Work');
  router.platform.available = true;
  expect([response.status, errorIn(await response.text()).message]).toEqual([
    502,
    'The agent closed the connection without an answer.',
  ]);
  expect(await stop(alice)).toBe(true);
});

test('a runner that cannot be connected to while its platform is silent has not closed a connection', async () => {
  runner.reply = () => completion('Here.');
  expect((await say(alice, 'Anyone?')).status).toBe(200);
  router.platform.available = false;
  await theRunner(router).close();
  const response = await say(alice, 'Anyone?');
  router.platform.available = true;
  expect([response.status, errorIn(await response.text()).message]).toEqual([
    502,
    'The agent cannot be reached right now. Try again in a moment.',
  ]);
  expect(await stop(alice)).toBe(true);
});
