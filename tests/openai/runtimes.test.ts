/**
 * Behaviour of all three runtimes, through the page, the API and the broker, each with its twin
 * (`tests/support/runtimes`).
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { Value } from '@sinclair/typebox/value';
import { backendOptions } from '../../drivers/docker/options';
import { parseEntries } from '../../router/backends/parse';
import { until } from '../support/router';
import { type Runtime, type Somebody, shippedEntries, startRuntime, times, toldTo } from '../support/runtimes';

const NAMES = shippedEntries.map(({ name }) => String(name));

test('the entries are what backends.json and the docker driver accept', () => {
  expect(NAMES).toEqual(['openclaw', 'hermes-agent', 'nanobot']);
  expect(parseEntries('backends.json', JSON.stringify(shippedEntries)).problems).toEqual([]);
  for (const { driver, driver_options, image } of shippedEntries) {
    expect(driver).toBe('docker');
    expect([...Value.Errors(backendOptions, Value.Default(backendOptions, driver_options ?? {}))]).toEqual([]);
    expect(image).toMatch(/:v?\d+\.\d+\.\d+$/);
  }
});

describe.each(NAMES)('%s', (name) => {
  let runtime: Runtime;
  let alice: Somebody;
  let bob: Somebody;
  beforeAll(async () => {
    runtime = await startRuntime(name);
    ({ alice, bob } = runtime);
  });
  afterAll(() => runtime[Symbol.asyncDispose]());

  const starts = () => runtime.router.platform.calls('start');
  /** The last request to the upstream. */
  const lastTold = () => toldTo(runtime.upstream, runtime.upstream.requests.length);
  const runnerOf = ({ agentId }: Somebody) => {
    const runners = [...runtime.router.platform.runners.values()];
    return runners.find(({ spec }) => spec.labels['agent-stack.agent'] === agentId)?.spec.id ?? '';
  };
  const inConversation = (id: string) => ({ headers: { 'x-conversation-id': id } });
  const user = (content: string) => ({ role: 'user' as const, content });

  /** The whole text of a streamed answer. */
  const stream = async (...asked: Parameters<Somebody['stream']>) =>
    (await Array.fromAsync(alice.stream(...asked))).join('');

  test('the first message waits until the runtime is ready, and the upstream is asked with the owner’s credentials', async () => {
    const id = await alice.converse();
    expect(await alice.say(id, 'Good morning.')).toMatchObject({
      status: 'done',
      content: 'Hello from upstream.',
      failure: null,
    });
    const [asked] = runtime.upstream.requests;
    expect([runtime.upstream.refusedCount, asked?.body.model, starts()]).toEqual([0, 'first-model', 1]);
  });

  test('turns of a conversation continue each other, and nothing is sent twice', async () => {
    const id = await alice.converse();
    runtime.upstream.script({ pieces: ['It is ', 'noted.'] });
    await alice.say(id, 'My colour is teal.');
    await alice.say(id, 'My number is seven.');
    expect(await alice.say(id, 'What do you know?')).toMatchObject({ status: 'done' });
    const told = lastTold();
    for (const part of ['My colour is teal.', 'It is noted.', 'My number is seven.', 'What do you know?']) {
      expect([part, times(told, part)]).toEqual([part, 1]);
    }
  });

  test('conversations know nothing of each other, and neither do users', async () => {
    const [first, second, hers] = [await alice.converse(), await alice.converse(), await bob.converse()];
    await alice.say(first, 'The word is heliotrope.');
    await alice.say(second, 'What is the word?');
    expect(lastTold()).not.toContain('heliotrope');
    await bob.say(hers, 'And for me?');
    expect(lastTold()).not.toContain('heliotrope');
    expect(runtime.router.platform.runners.size).toBe(2);
    await alice.say(first, 'Say it.');
    expect(lastTold()).toContain('heliotrope');
  });

  test('an OpenAI client without a conversation sends all messages itself', async () => {
    const { openai } = alice;
    const answer = await openai.chat.completions.create({
      model: name,
      user: 'somebody',
      messages: [
        { role: 'system', content: 'Be brief.' },
        user('The word is saffron.'),
        { role: 'assistant', content: 'Yes.' },
        user('Say it.'),
      ],
    });
    expect(answer.choices[0]?.message.content).toBe('Hello from upstream.');
    for (const part of ['Be brief.', 'The word is saffron.', 'Yes.', 'Say it.']) {
      expect([part, times(lastTold(), part)]).toEqual([part, 1]);
    }
    expect(await stream('What was the word?')).toBe('Hello from upstream.');
    expect(lastTold()).not.toContain('saffron');
    await openai.chat.completions.create({ model: name, user: 'somebody', messages: [user('And now?')] });
    expect(lastTold()).not.toContain('saffron');
  });

  test('an OpenAI client in a conversation sends it all, and the runtime hears the new part only', async () => {
    const id = await alice.converse();
    expect(await stream('The word is umber.', inConversation(id))).toBe('Hello from upstream.');
    const messages = [
      user('The word is umber.'),
      { role: 'assistant' as const, content: 'Hello from upstream.' },
      user('Say it.'),
    ];
    await alice.openai.chat.completions.create({ model: `${name}/any`, messages }, inConversation(id));
    for (const part of ['The word is umber.', 'Hello from upstream.', 'Say it.']) {
      expect([part, times(lastTold(), part)]).toEqual([part, 1]);
    }
    const saved = await runtime.router.context.stores.conversations.page(id, { limit: 9 });
    expect(saved.map(({ content }) => content)).toEqual([
      'The word is umber.',
      'Hello from upstream.',
      'Say it.',
      'Hello from upstream.',
    ]);
  });

  test('law 12: a client reaches no session of another user, whatever header or member names it', async () => {
    const id = await alice.converse();
    await alice.say(id, 'The word is indigo.');
    const headers = {
      'x-openclaw-session-key': `conv-${id}`,
      'x-openclaw-agent-id': 'other',
      'x-openclaw-model': 'upstream/other',
      'x-hermes-session-id': id,
      'x-hermes-session-key': id,
    };
    const body = { model: name, messages: [user('What is the word?')], session_id: id, user: `conv-${id}` };
    const response = await alice.person.request('/v1/chat/completions', { method: 'POST', body, headers });
    await response.text();
    expect([response.status, response.headers.get('x-hermes-session-id')]).toEqual([200, null]);
    expect(lastTold()).not.toContain('indigo');
    expect(runtime.upstream.requests.at(-1)?.body.model).toBe('first-model');
  });

  test('law 16: another model counts from the next message on, in the same runner', async () => {
    const before = starts();
    await alice.setModel('second/model');
    const id = await alice.converse();
    expect(await alice.say(id, 'Who are you now?')).toMatchObject({ status: 'done' });
    expect(runtime.upstream.requests.at(-1)?.body.model).toBe('second/model');
    await alice.openai.chat.completions.create({ model: name, messages: [user('And here?')] });
    expect([runtime.upstream.requests.at(-1)?.body.model, starts()]).toEqual(['second/model', before]);
    await alice.setModel('first-model');
  });

  test('a conversation goes on in the next runner, whichever way the last one ended', async () => {
    const id = await alice.converse();
    await alice.say(id, 'The word is ochre.');
    await runtime.router.context.runners.stop(alice.agentId, 'test');
    await alice.say(id, 'Say it.');
    expect(times(lastTold(), 'The word is ochre.')).toBe(1);
    runtime.router.platform.vanish(runnerOf(alice));
    await until(() => !runtime.router.context.runners.isWarm(alice.agentId), 'the router knows');
    expect(await alice.say(id, 'Again.')).toMatchObject({ status: 'done' });
    expect(times(lastTold(), 'The word is ochre.')).toBe(1);
  });

  test('law 10: a runner that dies in the middle is an error at both doors, with the text so far', async () => {
    const id = await alice.converse();
    const halfway = () => {
      const gate = Promise.withResolvers<void>();
      runtime.upstream.script({ pieces: ['Half of ', gate.promise, 'it.'] });
      return gate;
    };
    const first = halfway();
    const ended = alice.say(id, 'Tell me all.');
    const { conversations } = runtime.router.context.stores;
    const last = async () => (await conversations.page(id, { limit: 1 })).at(0);
    await until(async () => (await last())?.content === 'Half of ', 'some text is saved');
    runtime.router.platform.crash(runnerOf(alice), { exitCode: 137 });
    const failure = { code: 'runner_lost' };
    expect(await ended).toMatchObject({ status: 'failed', content: 'Half of ', failure });
    first.resolve();

    const second = halfway();
    const reading = (async () => {
      for await (const _ of alice.stream('Tell me all.')) {
        runtime.router.platform.crash(runnerOf(alice), { exitCode: 137 });
      }
    })();
    await expect(reading).rejects.toThrow('The agent');
    second.resolve();
  });

  test('law 14: the upstream’s key is in no file of the home and in no variable', async () => {
    const { platform, dataRoot } = runtime.router;
    for (const { spec } of platform.runners.values()) expect(JSON.stringify(spec.env)).not.toContain('sk-upstream');
    const found = await Array.fromAsync(new Bun.Glob('**/*').scan({ cwd: dataRoot, dot: true, absolute: true }));
    expect(found.length).toBeGreaterThan(5);
    for (const file of found) expect(await Bun.file(file).text()).not.toContain('sk-upstream');
  });
});
