/** A refused value is named with what its member takes, in a body and in a query. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';

let router: TestRouter;
let alice: Person;

beforeAll(async () => {
  router = await startRouter();
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());

async function fieldsOf(path: string, body?: object): Promise<unknown> {
  const response = await alice.request(path, body && { method: 'POST', body });
  expect(response.status).toBe(422);
  return ((await response.json()) as { fields: object }).fields;
}

test.each(['0', '-1', '1001', 'abc', '', '1.5'])(
  'a list of limit=%s is refused by the bounds of limit',
  async (limit) => {
    expect(await fieldsOf(`/api/conversations?before=1&limit=${limit}`)).toEqual({
      limit: 'A whole number from 1 to 1000',
    });
  },
);

test('a member of a body is named with what it takes', async () => {
  expect(await fieldsOf('/api/me/keys', { name: 'x', requests_per_minute: 1.5 })).toEqual({
    requests_per_minute: 'A whole number',
  });
  expect(await fieldsOf('/api/me/keys', { name: 'x', expires_at: 'soon' })).toEqual({ expires_at: 'A number' });
  expect(await fieldsOf('/api/me/keys', { name: 'x', scopes: ['v1', 7] })).toEqual({ 'scopes/1': 'Expected string' });
  const renamed = await alice.request('/api/me', { method: 'PATCH', body: { name: 'x'.repeat(1_001) } });
  expect([renamed.status, await renamed.json()]).toMatchObject([
    422,
    { fields: { name: 'A text of at most 1000 characters' } },
  ]);
  const conversation = await alice.request('/api/conversations', { method: 'POST', body: { backend: 'echo' } });
  const { id } = ((await conversation.json()) as { conversation: { id: string } }).conversation;
  expect(await fieldsOf(`/api/conversations/${id}/export?format=pdf`)).toEqual({ format: 'One of json, markdown' });
});
