/** Messages form a tree: what is edited or asked for again is a variant, and one path is shown. */
import { afterAll, expect, test } from 'bun:test';
import { beginConversation } from '../support/chat';
import { form, memoryBackend, PEOPLE, startRouter, until } from '../support/router';
import { chunk, completion, DONE, pipe, scriptedRunner } from '../support/scripted-runner';
import { all } from '../views/dom';

const runner = scriptedRunner('variants');
const headers = { 'X-Session': `\${conversation}` };
const router = await startRouter({
  backends: [memoryBackend('keeper', { history: 'last-turn', headers }, runner.program)],
});
const alice = await router.person(PEOPLE.alice);
afterAll(() => router[Symbol.asyncDispose]());
const { conversations } = router.context.stores;

let count = 0;
const EVENTS = { headers: { 'content-type': 'text/event-stream' } };
const answers = () => {
  const text = `answer ${++count}`;
  const isStream = JSON.parse(runner.requests.at(-1)?.text ?? '{}').stream === true;
  return isStream ? new Response(chunk(text) + DONE, EVENTS) : completion(text);
};
runner.reply = answers;

const texts = async (id: string) => (await conversations.page(id, { limit: 50 })).map(({ content }) => content);
const settled = (id: string) =>
  until(async () => {
    const rows = await conversations.page(id, { limit: 50 });
    return rows.every(({ status }) => status !== 'streaming') && rows;
  }, 'the answer ends');
const page = async (id: string) => (await alice.request(`/conversations/${id}`)).text();
const asked = () => JSON.parse(runner.requests.at(-1)?.text ?? '{}').messages;

/** A conversation of two turns: one, answer 1, two, answer 2. */
async function twoTurns() {
  count = 0;
  const id = await beginConversation(router, alice, 'keeper', 'one');
  await settled(id);
  await alice.request(`/conversations/${id}/messages`, form({ text: 'two' }));
  const [one, first, two, second] = await settled(id);
  if (!one || !first || !two || !second) throw new Error('premise: two turns');
  return { id, one, first, two, second };
}

const post = (path: string, fields: Record<string, string> = {}) => alice.request(path, form(fields));

test('an edited message and its answer are shown, and sent, in place of what followed', async () => {
  const { id, two } = await twoTurns();
  expect((await post(`/messages/${two.id}/edit`, { text: 'other' })).status).toBe(303);
  await settled(id);
  expect(await texts(id)).toEqual(['one', 'answer 1', 'other', 'answer 3']);
  // The runtime keeps its own history: the new branch is a new session, which is told everything.
  expect(runner.session).toStartWith(`${id}-`);
  expect(asked()).toEqual([{ role: 'user', content: 'user:\none\n\nassistant:\nanswer 1\n\nuser:\nother' }]);
});

test('the next message of a branch goes on with the session of that branch', async () => {
  const { id, two } = await twoTurns();
  await post(`/messages/${two.id}/edit`, { text: 'other' });
  await settled(id);
  const branch = runner.session;
  await post(`/conversations/${id}/messages`, { text: 'on' });
  await settled(id);
  expect([runner.session, asked()]).toEqual([branch, [{ role: 'user', content: 'on' }]]);
});

test('arrows lead to the other variants of a message, with what followed each', async () => {
  const { id, one } = await twoTurns();
  await post(`/messages/${one.id}/edit`, { text: 'uno' });
  const [uno] = await settled(id);
  expect((await all(await page(id), '.variants span'))[0]?.text).toBe('2 of 2');
  expect((await post(`/messages/${one.id}/show`)).headers.get('location')).toEndWith(`#message-${one.id}`);
  expect(await texts(id)).toEqual(['one', 'answer 1', 'two', 'answer 2']);
  expect((await all(await page(id), '.variants span'))[0]?.text).toBe('1 of 2');
  const actions = (await all(await page(id), '.variants form')).map(({ attributes }) => attributes.action);
  expect(actions).toEqual([`/messages/${one.id}/show`, `/messages/${uno?.id}/show`]);
});

test('a conversation goes on from the variant that is shown, in a session that no other variant had', async () => {
  const { id, one } = await twoTurns();
  await post(`/messages/${one.id}/edit`, { text: 'uno' });
  await settled(id);
  const other = runner.session;
  await post(`/messages/${one.id}/show`);
  await post(`/conversations/${id}/messages`, { text: 'three' });
  await settled(id);
  expect(await texts(id)).toEqual(['one', 'answer 1', 'two', 'answer 2', 'three', 'answer 4']);
  expect([id, other]).not.toContain(runner.session);
  expect(asked()[0].content).toContain('answer 2');
});

test('an answer that is asked for again is a variant, and one without text is replaced', async () => {
  const { id, second } = await twoTurns();
  await post(`/messages/${second.id}/retry`);
  await settled(id);
  expect(await texts(id)).toEqual(['one', 'answer 1', 'two', 'answer 3']);
  await post(`/messages/${second.id}/show`);
  expect(await texts(id)).toEqual(['one', 'answer 1', 'two', 'answer 2']);
  runner.reply = () => new Response('no', { status: 500 });
  await post(`/messages/${second.id}/retry`);
  const failed = (await settled(id)).at(-1);
  expect(failed?.status).toBe('failed');
  runner.reply = answers;
  await post(`/messages/${failed?.id}/retry`);
  await settled(id);
  expect((await texts(id)).at(-1)).toBe('answer 4');
  expect((await all(await page(id), '.variants span')).at(-1)?.text).toBe('3 of 3');
});

test('what is being written is stopped when its question is edited', async () => {
  const { id } = await twoTurns();
  const line = pipe();
  runner.reply = () => line.response(EVENTS);
  await post(`/conversations/${id}/messages`, { text: 'slow' });
  line.write(chunk('half'));
  const [slow, growing] = await conversations.page(id, { limit: 2 });
  await until(() => router.context.generations.textOf(growing?.id ?? '') === 'half', 'the answer grows');
  runner.reply = answers;
  await post(`/messages/${slow?.id}/edit`, { text: 'quick' });
  await settled(id);
  expect((await texts(id)).slice(-2)).toEqual(['quick', 'answer 3']);
});

test('an edit that is empty is refused in its place, and the message of a hidden variant cannot be edited', async () => {
  const { id, two } = await twoTurns();
  const refused = await alice.request(`/messages/${two.id}/edit`, {
    ...form({ text: ' ' }),
    headers: { 'hx-request': 'true' },
  });
  expect([refused.status, await refused.text()]).toEqual([422, expect.stringContaining('Write a message first')]);
  await post(`/messages/${two.id}/edit`, { text: 'other' });
  await settled(id);
  expect((await post(`/messages/${two.id}/edit`, { text: 'third' })).status).toBe(409);
});

test('without scripts the edit is a form in the page', async () => {
  const { id, two } = await twoTurns();
  const html = await (await alice.request(`/messages/${two.id}/edit`)).text();
  const [edit] = await all(html, `#message-${two.id} form.edit-form`);
  expect(edit?.attributes.action).toBe(`/messages/${two.id}/edit`);
  expect(await all(html, `#messages > article`)).toHaveLength((await texts(id)).length);
});

test('a message is deleted with all that follows it, and another variant of it is shown', async () => {
  const { id, one, two } = await twoTurns();
  await post(`/messages/${two.id}/edit`, { text: 'other' });
  const other = (await settled(id))[2];
  await post(`/messages/${other?.id}/delete`);
  expect(await texts(id)).toEqual(['one', 'answer 1', 'two', 'answer 2']);
  await post(`/messages/${two.id}/delete`);
  expect(await texts(id)).toEqual(['one', 'answer 1']);
  await post(`/messages/${one.id}/delete`);
  expect(await texts(id)).toEqual([]);
  await post(`/conversations/${id}/messages`, { text: 'again' });
  await settled(id);
  expect((await texts(id))[0]).toBe('again');
});

test('the API and a search have the shown path only, and the API deletes what follows in all variants', async () => {
  const { id, first, two } = await twoTurns();
  await post(`/messages/${two.id}/edit`, { text: 'zebra' });
  await settled(id);
  const { conversation, messages } = await (await alice.request(`/api/conversations/${id}`)).json();
  expect([conversation.message_count, messages.length, messages[2].content]).toEqual([4, 4, 'zebra']);
  const found = async () => all(await (await alice.request('/search?q=zebra')).text(), '.hit');
  expect(await found()).toHaveLength(1);
  await post(`/messages/${two.id}/show`);
  expect(await found()).toHaveLength(0);
  await alice.request(`/api/conversations/${id}/messages/after/${first.id}`, { method: 'DELETE' });
  expect((await conversations.tree(id)).childrenOf(2)).toEqual([]);
  expect(await texts(id)).toEqual(['one', 'answer 1']);
});

test('a request of /v1 that goes on from a hidden answer is a fork with the history of that answer', async () => {
  const { id, two, second } = await twoTurns();
  await post(`/messages/${two.id}/edit`, { text: 'other' });
  await settled(id);
  const body = { model: 'keeper', input: 'and?', previous_response_id: `resp_${second.id}` };
  expect((await alice.request('/v1/responses', { method: 'POST', body })).status).toBe(200);
  expect(asked()[0].content).toContain('answer 2');
  expect(asked()[0].content).not.toContain('other');
  expect(await texts(id)).toEqual(['one', 'answer 1', 'other', 'answer 3']);
});

test('mallory can neither edit, show, delete nor see a message of alice', async () => {
  const { two } = await twoTurns();
  const mallory = await router.person(PEOPLE.mallory);
  const refused = [
    mallory.request(`/messages/${two.id}/edit`),
    mallory.request(`/messages/${two.id}/edit`, form({ text: 'mine' })),
    mallory.request(`/messages/${two.id}/show`, form({})),
    mallory.request(`/messages/${two.id}/delete`, form({})),
    mallory.request(`/messages/${two.id}`, { headers: { 'hx-request': 'true' } }),
  ];
  expect((await Promise.all(refused)).map(({ status }) => status)).toEqual(refused.map(() => 404));
});

test('a page that shows the newest messages stays after a form of a message, and any other is left', async () => {
  const { id, one, second } = await twoTurns();
  const newest = `${router.url}/conversations/${id}`;
  const led = async (path: string, fields: Record<string, string>, from: string) => {
    const headers = { 'hx-request': 'true', 'hx-current-url': from };
    const { status, headers: answered } = await alice.request(path, { ...form(fields), headers });
    await settled(id);
    return [status, answered.get('hx-redirect')];
  };
  const [stays, leaves] = [
    [204, null],
    [204, `/conversations/${id}`],
  ];
  expect(await led(`/messages/${second.id}/retry`, {}, newest)).toEqual(stays);
  expect(await led(`/messages/${second.id}/show`, {}, `${newest}#message-${second.id}`)).toEqual(stays);
  const past = `${newest}?before=3#message-${one.id}`;
  expect(await led(`/messages/${second.id}/retry`, {}, past)).toEqual(leaves);
  expect(await led(`/messages/${second.id}/show`, {}, past)).toEqual([204, `/messages/${second.id}`]);
  expect(await led(`/messages/${second.id}/stop`, {}, past)).toEqual(leaves);
  expect(await led(`/conversations/${id}/messages`, { text: 'three' }, past)).toEqual(leaves);
  const edit = `${router.url}/messages/${one.id}/edit`;
  expect(await led(`/messages/${second.id}/stop`, {}, edit)).toEqual(stays);
  expect(await led(`/messages/${one.id}/edit`, { text: 'uno' }, edit)).toEqual(leaves);
  const [uno] = await settled(id);
  expect(await led(`/messages/${uno?.id}/delete`, {}, past)).toEqual(leaves);
});
