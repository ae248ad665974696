/** Where a conversation is kept: in the list, pinned above it, in the archive; by the pages, their live parts and the API. */
import { afterAll, expect, test } from 'bun:test';
import { PINNED_MAX } from '../../router/chat/store/shelves';
import { agentOf, beginConversation } from '../support/chat';
import { form, memoryBackend, PEOPLE, type Person, startRouter, until } from '../support/router';
import { problemOf } from '../support/runners';
import { scriptedRunner } from '../support/scripted-runner';
import { all } from '../views/dom';

const runner = scriptedRunner('shelves');
runner.reply = () => {
  const chunk = JSON.stringify({ choices: [{ index: 0, delta: { content: 'It is 42.' } }] });
  const headers = { 'content-type': 'text/event-stream' };
  return new Response(`data: ${chunk}\n\ndata: [DONE]\n\n`, { headers });
};
const router = await startRouter({ backends: [memoryBackend('echo', {}, runner.program)] });
const alice = await router.person(PEOPLE.alice);
const mallory = await router.person(PEOPLE.mallory);
afterAll(() => router[Symbol.asyncDispose]());

let people = 0;
function newPerson(): Promise<Person> {
  people += 1;
  return router.person({ email: `p${people}@example.org`, name: `P${people}`, password: 'a-long-password' });
}
async function converse(who: Person, text: string): Promise<string> {
  const id = await beginConversation(router, who, 'echo', text);
  await until(async () => (await router.context.conversations.newest(id))?.status === 'done', 'the answer has ended');
  return id;
}
const put = (who: Person, id: string, shelf: string, headers: Record<string, string> = {}) =>
  who.request(`/conversations/${id}/shelf`, { ...form({ shelf }), headers });
const page = async (who: Person, path: string) => (await who.request(path)).text();
/** Ids of the links of a list on a page. */
const links = async (html: string, list: string) =>
  (await all(html, `#${list} > li[id]`)).map(({ attributes }) => attributes.id?.replace('conversation-link-', ''));
const HTMX = { 'hx-request': 'true' };

test('what is pinned stands above the list, what is archived in neither, and each comes back', async () => {
  const who = await newPerson();
  const first = await converse(who, 'first');
  const second = await converse(who, 'second');
  const shown = async () => {
    const html = await page(who, '/search');
    return [await links(html, 'pinned'), await links(html, 'conversations')];
  };
  expect((await put(who, first, 'pinned')).headers.get('location')).toBe(`/conversations/${first}`);
  expect(await shown()).toEqual([[first], [second]]);
  await put(who, second, 'archived');
  expect(await shown()).toEqual([[first], []]);
  expect(await links(await page(who, '/conversations?shelf=archived'), 'archived')).toEqual([second]);
  await put(who, first, 'list');
  await put(who, second, 'list');
  expect(await shown()).toEqual([[], [second, first]]);
  expect(await links(await page(who, '/conversations?shelf=archived'), 'archived')).toEqual([]);
});

test('an archived conversation says so, is found by a search and marked there, and a message takes it out', async () => {
  const who = await newPerson();
  const id = await converse(who, 'a needle');
  await put(who, id, 'archived');
  expect(await page(who, `/conversations/${id}`)).toContain('This conversation is archived');
  const hits = await all(await page(who, '/search?q=needle'), '.hits .badge');
  expect(hits.map(({ text }) => text)).toEqual(['archived']);
  await who.request(`/conversations/${id}/messages`, form({ text: 'once more' }));
  const html = await page(who, `/conversations/${id}`);
  expect(html).not.toContain('This conversation is archived');
  expect(await links(html, 'conversations')).toEqual([id]);
  expect(await all(await page(who, '/search?q=needle'), '.hits .badge')).toEqual([]);
});

test('what is done in the list answers with the changed link, and with the way back to where it was', async () => {
  const who = await newPerson();
  const id = await converse(who, 'in the list');
  await put(who, id, 'pinned');
  const archived = await (await put(who, id, 'archived', HTMX)).text();
  expect(archived).toContain(`<hx-partial hx-target="#conversation-link-${id}" hx-swap="delete">`);
  const [undo] = await all(archived, '[hx-target="#undo"] input[name="shelf"]');
  expect(undo?.attributes.value).toBe('pinned');
  const back = await (await put(who, id, 'pinned', HTMX)).text();
  expect(back).toContain('<hx-partial hx-target="#pinned" hx-swap="afterbegin">');
  expect((await all(back, '[hx-target="#undo"]'))[0]?.text).toBe('');
  const deleted = await who.request(`/conversations/${id}/delete`, { method: 'POST', headers: HTMX });
  const html = await deleted.text();
  expect((await all(html, '[hx-target="#undo"] form'))[0]?.attributes.action).toBe(`/conversations/${id}/shelf`);
  expect((await router.context.conversations.pinned(who.id)).length).toBe(0);
  await put(who, id, 'pinned', HTMX);
  expect((await router.context.conversations.pinned(who.id)).map((one) => one.id)).toEqual([id]);
});

test('the page of what is deleted leads to where it can be brought back, also from its own menu', async () => {
  const who = await newPerson();
  const id = await converse(who, 'goes');
  const agent = await agentOf(router, who, 'echo');
  const headers = { ...HTMX, 'hx-current-url': `http://localhost/conversations/${id}` };
  const deleted = await who.request(`/conversations/${id}/delete`, { method: 'POST', headers });
  expect(deleted.headers.get('hx-redirect')).toBe(`/agents/${agent.id}?deleted=${id}&shelf=list`);
  const place = (await who.request(`/conversations/${id}`)).headers.get('location') ?? '';
  expect(place).toBe(`/agents/${agent.id}?deleted=${id}`);
  expect((await all(await page(who, place), '.dock form'))[0]?.attributes.action).toBe(`/conversations/${id}/shelf`);
  expect((await mallory.request(`/conversations/${id}`)).status).toBe(404);
});

test('the menu offers what can be done, as a part and as a page that works without scripts', async () => {
  const id = await converse(alice, 'What <b>is</b> it');
  const menu = await (await alice.request(`/conversations/${id}/options`, { headers: HTMX })).text();
  expect((await all(menu, '[role="menuitem"]')).map(({ text }) => text)).toEqual([
    ...['Rename', 'Pin', 'Archive', 'Export as Markdown', 'Export as JSON', 'Delete conversation'],
  ]);
  const whole = await page(alice, `/conversations/${id}/options`);
  expect((await all(whole, 'main form')).map(({ attributes }) => attributes.action)).toEqual([
    ...[`/conversations/${id}/title`, `/conversations/${id}/shelf`, `/conversations/${id}/shelf`],
    `/conversations/${id}/delete`,
  ]);
  const refused = await alice.request(`/conversations/${id}/title`, { ...form({ title: ' ' }), headers: HTMX });
  expect([refused.status, (await all(await refused.text(), '#rename-error'))[0]?.text]).toEqual([
    422,
    'Give it a name',
  ]);
});

test('a page pins no more than all of them can show', async () => {
  const who = await newPerson();
  const make = async () => {
    const response = await who.request('/api/conversations', { method: 'POST', body: { backend: 'echo' } });
    return ((await response.json()) as { conversation: { id: string } }).conversation.id;
  };
  let last = '';
  for (let count = 0; count < PINNED_MAX; count += 1) {
    last = await make();
    expect((await put(who, last, 'pinned')).status).toBe(303);
  }
  const more = await make();
  expect((await put(who, more, 'pinned')).status).toBe(409);
  // One that is pinned already stays so.
  expect((await put(who, last, 'pinned')).status).toBe(303);
  expect((await router.context.conversations.get(who.id, more)).shelf).toBe('list');
});

test('the API pins, archives and takes back, and says where a conversation is', async () => {
  const id = await converse(alice, 'by the API');
  const patch = async (body: object) => {
    const response = await alice.request(`/api/conversations/${id}`, { method: 'PATCH', body });
    if (!response.ok) return (await problemOf(response)).detail;
    const { conversation } = (await response.json()) as { conversation: Record<string, unknown> };
    const { pinned, archived, title } = conversation;
    return [pinned, archived, title];
  };
  expect(await patch({ pinned: true })).toEqual([true, false, 'by the API']);
  expect(await patch({ archived: false })).toEqual([true, false, 'by the API']);
  expect(await patch({ archived: true, title: 'Named' })).toEqual([false, true, 'Named']);
  expect(await patch({ pinned: false })).toEqual([false, true, 'Named']);
  expect(await patch({ archived: false })).toEqual([false, false, 'Named']);
  expect(await patch({ archived: true, pinned: true })).toBe('A conversation is either pinned or archived.');
  const answer = await mallory.request(`/api/conversations/${id}`, { method: 'PATCH', body: { pinned: true } });
  expect(answer.status).toBe(404);
  expect((await router.context.conversations.get(alice.id, id)).shelf).toBe('list');
});

test('nobody moves or deletes a conversation of somebody else, or sees its menu', async () => {
  const id = await converse(alice, 'mine');
  expect((await put(mallory, id, 'archived')).status).toBe(404);
  expect((await mallory.request(`/conversations/${id}/options`)).status).toBe(404);
  expect((await mallory.request(`/conversations/${id}/title`)).status).toBe(404);
  expect((await mallory.request(`/conversations/${id}/delete`, { method: 'POST' })).status).toBe(404);
  expect((await put(alice, id, 'deleted')).status).toBe(422);
  expect((await router.context.conversations.get(alice.id, id)).shelf).toBe('list');
});
