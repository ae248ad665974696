/** How much of a long conversation is read, and sent to a runtime, at once. */
import { expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, startRouter } from '../support/router';
import { scriptedRunner } from '../support/scripted-runner';

const MEBIBYTE = 1_048_576;

test('a runtime is sent the newest 8 MiB of a conversation, and the newest message whatever its length', async () => {
  const runner = scriptedRunner('history-limits');
  await using router = await startRouter({ backends: [memoryBackend('full', { history: 'full' }, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  const { agents, backends, conversations, stores } = router.context;
  const backend = backends.find('full');
  if (!backend) throw new Error('premise: there is a backend');
  const conversation = await conversations.create(await agents.defaultOf(alice.id, backend));
  for (const [turn, length] of [5, 3, 4].entries()) {
    const answerId = `${turn}`.repeat(24);
    const written = { conversationId: conversation.id, answerId, title: 't', nowMs: turn };
    await stores.conversations.insertTurn({
      ...written,
      user: { id: `a${answerId.slice(1)}`, content: `ask ${turn}` },
    });
    const end = { status: 'done' as const, text: { content: 'x'.repeat(length * MEBIBYTE) }, calls: [], nowMs: turn };
    await stores.conversations.endAnswer(answerId, end);
  }
  const told = (await conversations.history(conversation.id)).map(({ content }) => content.slice(0, 5));
  expect(told).toEqual(['ask 1', 'xxxxx', 'ask 2', 'xxxxx']);
  expect((await conversations.history(conversation.id, 2)).map(({ content }) => content)).toEqual(['ask 0']);
  const body = new URLSearchParams({ text: 'and now?' });
  await alice.request(`/conversations/${conversation.id}/messages`, { method: 'POST', body });
  const asked = await runner.request(1);
  expect(asked.text.length).toBeWithin(7 * MEBIBYTE, 9 * MEBIBYTE);
  expect(JSON.parse(asked.text).messages.at(-1)).toEqual({ role: 'user', content: 'and now?' });
});

test('what an agent did counts for a fork, which has a copy of it, and not for what a runtime is told', async () => {
  const runner = scriptedRunner('history-steps');
  await using router = await startRouter({ backends: [memoryBackend('full', {}, runner.program)] });
  const alice = await router.person(PEOPLE.alice);
  const { agents, backends, conversations, stores } = router.context;
  const backend = backends.find('full');
  if (!backend) throw new Error('premise: there is a backend');
  const { id: conversationId } = await conversations.create(await agents.defaultOf(alice.id, backend));
  for (const turn of [0, 1]) {
    const answerId = `${turn}`.repeat(24);
    const user = { id: `a${answerId.slice(1)}`, content: 'ask' };
    await stores.conversations.insertTurn({ conversationId, answerId, user, title: 't', nowMs: turn });
    const steps = [{ kind: 'thought' as const, text: 'x'.repeat(1_000), tookMs: 1 }];
    const end = { status: 'done' as const, text: { content: 'said' }, calls: [], steps, nowMs: turn };
    await stores.conversations.endAnswer(answerId, end);
  }
  const bounds = { limit: 9, maxBytes: 1_500 };
  expect(await stores.conversations.forkableFrom(conversationId, 4, bounds)).toBe(3);
  expect(await stores.conversations.page(conversationId, bounds)).toHaveLength(4);
});
