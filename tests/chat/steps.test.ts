/** What an agent does for an answer: shown while it happens, kept, folded, and sent to nobody. */
import { afterAll, describe, expect, test } from 'bun:test';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { frame } from '../../router/web/streams/sse';
import { renderMarkdown } from '../../views/markdown';
import { Grown } from '../support/grown';
import { form, memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { type ScriptedAnswer, scripted } from '../support/scripted';
import { usageRow } from '../support/usage';
import { all } from '../views/dom';

const runner = scripted('steps');
const router = await startRouter({ backends: [memoryBackend('scribe', {}, runner.program)] });
const alice = await router.person(PEOPLE.alice);
afterAll(() => router[Symbol.asyncDispose]());

const event = (data: object, name?: string) => `${name ? `event: ${name}\n` : ''}data: ${JSON.stringify(data)}\n\n`;
const delta = (said: object) => event({ object: 'chat.completion.chunk', choices: [{ index: 0, delta: said }] });

async function converse(text: string): Promise<{ id: string; answer: ScriptedAnswer }> {
  const backend = router.context.backends.find('scribe');
  if (!backend) throw new Error('No backend');
  const agent = await router.context.agents.defaultOf(alice.id, backend);
  const response = await alice.request(`/agents/${agent.id}/conversations`, form({ text }));
  const id = response.headers.get('location')?.split('/').at(-1) ?? '';
  return { id, answer: await runner.next() };
}

const pageOf = async (id: string) => (await alice.request(`/conversations/${id}`)).text();
const newestOf = async (id: string) =>
  (await router.context.stores.conversations.shown(id, { limit: 1 })).messages[0] ?? undefined;

async function ended(id: string) {
  return until(async () => {
    const newest = await newestOf(id);
    return newest?.role === 'assistant' && newest.status !== 'streaming' ? newest : undefined;
  }, 'the answer has ended');
}

/** The live stream of a page. */
async function watch(page: string) {
  const url = /hx-sse:connect="([^"]+)"/.exec(page)?.[1]?.replaceAll('&amp;', '&') ?? '';
  const { body } = await alice.request(url);
  const state = { bytes: 0, data: '', thought: new Grown(), text: '' };
  const events = (body as ReadableStream<BufferSource>)
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, BufferSource>)
    .pipeThrough(new EventSourceParserStream());
  const over = (async () => {
    for await (const { id = '', event: name, data } of events) {
      if (name === 'think') state.thought.grow(JSON.parse(data));
      else if (name === 'grow') state.text += data;
      else state.data += data;
      const begun = /class="step growing".*?class="prose"[^>]*>(.*?)<\/div>/s.exec(name ? '' : data);
      if (begun) state.thought = new Grown(begun[1]);
      const isAbout = name !== undefined || data.includes('"step-');
      if (isAbout) state.bytes += Buffer.byteLength(frame({ id, ...(name && { event: name }), data }));
      if (data.includes('data-status="done"')) return;
    }
  })();
  return { state, over, url };
}

test('a thought is shown while it goes on, and folded with its time when the answer begins', async () => {
  const { id, answer } = await converse('think');
  const { state, over } = await watch(await pageOf(id));
  answer.raw(delta({ reasoning_content: 'Is it **two**' }));
  await until(() => state.data.includes('class="step growing"'), 'the thought is there');
  expect(state.data).toContain('<strong>two</strong>');
  answer.raw(delta({ reasoning_content: ' or three?' }));
  await until(() => state.thought.html.includes('or three?'), 'it grows');
  expect((await all(await pageOf(id), '.step.growing details[open]')).length).toBe(1);
  answer.say('It is two.');
  await until(() => state.data.includes('Thought for'), 'it is folded');
  answer.finish();
  await over;
  const page = await pageOf(id);
  expect((await all(page, '.step summary'))[0]?.text).toMatch(/^Thought for [\d.]+ s$/);
  expect((await all(page, '.step details'))[0]?.attributes.open).toBeUndefined();
  expect((await all(page, '.step .prose'))[0]?.text).toBe('Is it two or three?');
});

test('a thought is not sent back to the runtime, and not copied', async () => {
  const { id, answer } = await converse('first');
  answer.raw(delta({ reasoning: 'a secret thought' }));
  answer.say('Said.');
  answer.finish();
  const { id: messageId } = await ended(id);
  expect(await (await alice.request(`/messages/${messageId}/text`)).text()).toBe('Said.');
  await alice.request(`/conversations/${id}/messages`, form({ text: 'second' }));
  const next = await runner.next();
  expect(next.body.messages.map(({ content }) => content)).toEqual(['first', 'Said.', 'second']);
  next.finish();
});

test('think tags at the beginning of the text are a thought, wherever they are cut', async () => {
  const whole = '\n<think>A <b> thought… or two</think>\n\nThe answer has a <think> tag.';
  for (const size of [1, 5, 100]) {
    const { id, answer } = await converse(`tags ${size}`);
    for (let from = 0; from < whole.length; from += size) answer.say(whole.slice(from, from + size));
    answer.finish();
    const { steps, content } = await ended(id);
    expect(steps).toMatchObject([{ kind: 'thought', text: 'A <b> thought… or two', isTagged: true }]);
    expect(content.trim()).toBe('The answer has a <think> tag.');
  }
});

test('a text that only begins like a tag is said', async () => {
  const { id, answer } = await converse('no tag');
  answer.say('<thi');
  answer.finish();
  expect(await ended(id)).toMatchObject({ content: '<thi', steps: null });
});

test('a tool of the agent is shown with its input, its result and its time, as text', async () => {
  const { id, answer } = await converse('tools');
  const { state, over } = await watch(await pageOf(id));
  const call = { tool: 'terminal', toolCallId: 'c1' };
  answer.raw(event({ ...call, label: 'ls <b>', status: 'running' }, 'hermes.tool.progress'));
  await until(() => state.data.includes('Using <code dir="ltr">terminal</code>'), 'it runs');
  answer.raw(event({ ...call, status: 'completed', result: '{"files":2}' }, 'hermes.tool.progress'));
  await until(() => state.data.includes('Used <code dir="ltr">terminal</code>'), 'it has ended');
  answer.say('Two files.');
  answer.finish();
  await over;
  const page = await pageOf(id);
  expect((await all(page, '.step summary'))[0]?.text).toMatch(/^Used terminal [\d.]+ s$/);
  expect((await all(page, '.step pre')).map(({ text }) => text)).toEqual(['ls <b>', '{ "files": 2 }']);
});

test('reasoning of /v1/responses is kept from its events', async () => {
  const { id, answer } = await converse('responses');
  answer.raw(event({ type: 'response.reasoning_summary_text.delta', delta: 'Summed up.' }));
  answer.raw(event({ type: 'response.output_text.delta', delta: 'Out.' }));
  answer.raw('data: [DONE]\n\n');
  answer.finish();
  expect(await ended(id)).toMatchObject({ content: 'Out.', steps: [{ kind: 'thought', text: 'Summed up.' }] });
});

test('law 17: a thought is in the database while it goes on', async () => {
  const { id, answer } = await converse('saved');
  answer.raw(delta({ reasoning_content: 'Half a thought' }));
  await until(async () => (await newestOf(id))?.steps?.[0], 'it is saved');
  expect(await newestOf(id)).toMatchObject({ status: 'streaming', steps: [{ text: 'Half a thought' }] });
  answer.finish();
  await ended(id);
});

test('of thoughts and tools without end a bounded part is kept, and the answer whole', async () => {
  const { id, answer } = await converse('endless');
  for (let n = 0; n < 300; n += 1) {
    answer.raw(delta({ reasoning_content: 'over and over '.repeat(50) }));
    answer.raw(event({ tool: 't', toolCallId: `${n}`, status: 'running', args: { n } }, 'hermes.tool.progress'));
  }
  answer.say('Done.');
  answer.finish();
  const { steps, content } = await ended(id);
  expect(content).toBe('Done.');
  expect(steps?.length).toBeLessThanOrEqual(200);
  expect(JSON.stringify(steps).length).toBeLessThan(100_000);
});

describe('a page that connects', () => {
  test('after the thought is sent nothing of it again', async () => {
    const { id, answer } = await converse('late');
    answer.raw(delta({ reasoning_content: 'Earlier.' }));
    answer.say('One ');
    await until(async () => (await pageOf(id)).includes('One'), 'both are there');
    const { state, over, url } = await watch(await pageOf(id));
    expect(url).toMatch(/after=\d+\.\d+\.\d+\.1$/);
    answer.say('and two.');
    await until(() => state.text.includes('two'), 'the rest arrives');
    answer.finish();
    await over;
    expect(state.data).not.toContain('Earlier.');
  });

  test('in the middle of a thought gets the answer anew, and then the rest', async () => {
    const { id, answer } = await converse('middle');
    answer.raw(delta({ reasoning_content: 'Begun ' }));
    await until(async () => (await pageOf(id)).includes('Begun'), 'it has begun');
    const { state, over } = await watch(await pageOf(id));
    await until(() => state.data.includes('Begun'), 'it is there');
    answer.raw(delta({ reasoning_content: 'and ended.' }));
    await until(() => state.thought.html.includes('and ended.') || state.data.includes('and ended.'), 'and the rest');
    answer.say('So.');
    answer.finish();
    await over;
  });
});

test('a page is sent less than three times what it shows of a thought', async () => {
  const { id, answer } = await converse('bytes');
  const { state, over } = await watch(await pageOf(id));
  const line = (n: number) => `- Thought ${n} has **weight**, some \`code\` and a few words more to be a line\n`;
  const text = Array.from({ length: 200 }, (_, n) => line(n)).join('');
  for (let from = 0; from < text.length; from += 60) {
    answer.raw(delta({ reasoning_content: text.slice(from, from + 60) }));
    if (from % 600 === 0) {
      const sofar = text.slice(0, from + 60).length;
      const length = () => {
        const [step] = router.context.generations.stepsOf(messageId()) ?? [];
        return step?.kind === 'thought' ? step.text.length : 0;
      };
      const messageId = () => /steps-(\w+)/.exec(state.data)?.[1] ?? '';
      await until(() => messageId() === '' || length() >= sofar, 'it arrives');
    }
  }
  answer.say('So.');
  answer.finish();
  await over;
  const html = renderMarkdown(text, { copyCode: 'copy-code' });
  expect(state.thought.html).toBe(html);
  expect(state.bytes / Buffer.byteLength(html)).toBeLessThan(3);
  expect((await all(await pageOf(id), '.step .prose li')).length).toBe(200);
});

test('under an answer is what its calls to the model used, and nothing of other conversations', async () => {
  const { id, answer } = await converse('facts');
  answer.say('Counted.');
  answer.finish();
  const { endedAtMs } = await ended(id);
  const atMs = endedAtMs ?? 0;
  const row = { userId: alice.id, atMs, cost: 0.5 };
  await router.context.stores.usage.insert([
    usageRow({ ...row, conversationId: id }),
    usageRow({ ...row, conversationId: 'another' }),
    usageRow({ ...row, conversationId: id, userId: 'another' }),
  ]);
  const [facts] = await all(await pageOf(id), '.facts');
  expect(facts?.text).toMatch(/^gpt-5\.5 · 110 tokens · [\d.]+ s · cost 0\.50$/);
});

test('under an answer whose calls are not known is its time alone', async () => {
  const { id, answer } = await converse('no facts');
  answer.say('Uncounted.');
  answer.finish();
  await ended(id);
  const [facts] = await all(await pageOf(id), '.facts');
  expect(facts?.text).toMatch(/^[\d.]+ s$/);
});
