import { expect, test } from 'bun:test';
import { PEOPLE, startRouter } from '../support/router';

const chat = (content: string, more: object = {}) => ({
  model: 'echo',
  messages: [{ role: 'user', content }],
  ...more,
});

test('a person chats through /v1', async () => {
  await using router = await startRouter();
  const alice = await router.person(PEOPLE.alice);
  const first = await alice.request('/v1/chat/completions', { method: 'POST', body: chat('hello') });
  expect(first.status).toBe(200);
  expect(await first.text()).toContain('hello');
});
