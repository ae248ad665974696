/** Thoughts of earlier answers: a backend that names the member for them is told them there, and no other is told any. */
import { afterAll, describe, expect, test } from 'bun:test';
import { form, memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { type ScriptedAnswer, scripted } from '../support/scripted';
import { event } from '../support/sse';

const runner = scripted('told-thoughts');
const router = await startRouter({
  backends: [
    memoryBackend('deep', { history_reasoning: 'reasoning_content' }, runner.program),
    memoryBackend('open', { history_reasoning: 'reasoning' }, runner.program),
    memoryBackend('plain', {}, runner.program),
  ],
});
const alice = await router.person(PEOPLE.alice);
const client = await alice.openai();
afterAll(() => router[Symbol.asyncDispose]());

const delta = (delta: object) => event({ object: 'chat.completion.chunk', choices: [{ index: 0, delta }] });

/** Lets the agent think twice and say something. */
function answered(answer: ScriptedAnswer): void {
  answer.raw(delta({ reasoning_content: 'Is it two' }));
  answer.raw(delta({ reasoning_content: ' or three?' }));
  answer.say('Two.');
  answer.finish();
}

async function ended(conversationId: string): Promise<void> {
  await until(async () => {
    const newest = await router.context.stores.conversations.newest(conversationId);
    return newest?.role === 'assistant' && newest.status === 'done';
  }, 'the answer has ended');
}

/** A conversation on a page of the backend, with one answer. */
async function begun(name: string): Promise<string> {
  const backend = router.context.backends.find(name);
  if (!backend) throw new Error('No backend');
  const agent = await router.context.agents.defaultOf(alice.id, backend);
  const response = await alice.request(`/agents/${agent.id}/conversations`, form({ text: 'first' }));
  const id = response.headers.get('location')?.split('/').at(-1) ?? '';
  answered(await runner.next());
  await ended(id);
  return id;
}

describe.each([
  ['deep', { reasoning_content: 'Is it two or three?' }],
  ['open', { reasoning: 'Is it two or three?' }],
  ['plain', {}],
])('"%s" is sent with the next message what it wants of earlier thoughts', (model, thought) => {
  const MESSAGES = [
    { role: 'user', content: 'first' },
    { role: 'assistant', content: 'Two.', ...thought },
    { role: 'user', content: 'second' },
  ];
  /** What the runner is sent next, as JSON has it. */
  const told = async (): Promise<unknown> => {
    const next = await runner.next();
    answered(next);
    return next.body.messages;
  };

  test('on a page', async () => {
    const id = await begun(model);
    await alice.request(`/conversations/${id}/messages`, form({ text: 'second' }));
    expect(await told()).toEqual(MESSAGES);
    await ended(id);
  });

  test('by a response in that conversation', async () => {
    const conversation = await begun(model);
    const response = client.responses.create({ model, conversation, input: 'second', stream: true });
    expect(await told()).toEqual(MESSAGES);
    await Array.fromAsync(await response);
  });
});
