/** A message as a browser sends it: the longest that is taken, one that is longer, and its line breaks. */
import { afterAll, expect, test } from 'bun:test';
import { agentOf } from '../support/chat';
import { form, memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { all } from '../views/dom';

const router = await startRouter({ backends: [memoryBackend('echo', { display_name: 'Echo' })] });
const alice = await router.person(PEOPLE.alice);
const agent = await agentOf(router, alice, 'echo');
const place = `/agents/${agent.id}/conversations`;
const htmx = { 'hx-request': 'true' };
afterAll(() => router[Symbol.asyncDispose]());

/** As the composer's form is encoded. */
function typed(text: string): RequestInit {
  const body = new FormData();
  body.set('text', text);
  return { method: 'POST', body };
}

async function begun(text: string): Promise<{ id: string; userId: string; text: string }> {
  const { headers } = await alice.request(place, typed(text));
  const id = headers.get('location')?.split('/').at(-1) ?? '';
  await until(async () => (await newest(id))?.status !== 'streaming', 'the answer ends');
  const [user] = await router.context.stores.conversations.page(id, { limit: 2 });
  return { id, userId: user?.id ?? '', text: user?.content ?? '' };
}

async function newest(id: string) {
  return (await router.context.stores.conversations.heads(id, { limit: 1 })).at(-1);
}

test('the forms of a message are encoded so that the longest text of any script fits in', async () => {
  const { id, userId } = await begun('hello');
  const page = await (await alice.request(`/conversations/${id}`)).text();
  expect((await all(page, '#composer-form'))[0]?.attributes.enctype).toBe('multipart/form-data');
  const edit = await (await alice.request(`/messages/${userId}/edit`, { headers: htmx })).text();
  expect((await all(edit, '.edit-form'))[0]?.attributes.enctype).toBe('multipart/form-data');
  const longest = '汉'.repeat(200_000);
  expect((await begun(longest)).text).toBe(longest);
  const edited = await alice.request(`/messages/${userId}/edit`, { ...typed(longest), headers: htmx });
  expect(edited.status).toBe(204);
});

test('a longer text is refused where it was typed, which keeps it and says how long it may be', async () => {
  const { id, userId } = await begun('hello');
  const text = `汉${'x'.repeat(200_000)}`;
  for (const path of [place, `/conversations/${id}/messages`, `/messages/${userId}/edit`]) {
    for (const headers of [htmx, { accept: 'text/html' }]) {
      const refused = await alice.request(path, { ...typed(text), headers });
      expect(refused.status).toBe(422);
      const shown = await refused.text();
      expect((await all(shown, 'textarea[aria-invalid="true"]'))[0]?.text).toBe(text);
      expect(shown).toContain('At most 200,000 characters');
      expect((await all(shown, '.length-note'))[0]?.attributes['data-max']).toBe('200000');
    }
  }
});

test('line breaks are as they were typed, and not those with which browsers send a form', async () => {
  expect((await begun('one\r\ntwo\r\n\r\nthree')).text).toBe('one\ntwo\n\nthree');
  const { headers } = await alice.request(place, form({ text: 'one\r\ntwo' }));
  const [user] = await router.context.stores.conversations.page(headers.get('location')?.split('/').at(-1) ?? '', {
    limit: 2,
  });
  expect(user?.content).toBe('one\ntwo');
});
