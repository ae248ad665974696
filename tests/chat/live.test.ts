import { afterAll, expect, test } from 'bun:test';
import { agentOf, beginConversation } from '../support/chat';
import { form, memoryBackend, PEOPLE, type Person, startRouter, until } from '../support/router';
import { scripted } from '../support/scripted';
import { watchStream } from '../support/watch';
import { all } from '../views/dom';

const runner = scripted('live');
const router = await startRouter({ backends: [memoryBackend('scribe', {}, runner.program)] });
const alice = await router.person(PEOPLE.alice);
afterAll(() => router[Symbol.asyncDispose]());

const converse = (text: string) => beginConversation(router, alice, 'scribe', text);

/** The live stream's URL in the page of a conversation. */
async function liveUrl(id: string): Promise<string> {
  const page = await (await alice.request(`/conversations/${id}`)).text();
  const url = /hx-sse:connect="([^"]+)"/.exec(page)?.[1]?.replaceAll('&amp;', '&');
  if (!url) throw new Error('The page has no live stream');
  return url;
}

const watch = (url: string, lastEventId?: string, who: Person = alice) =>
  watchStream(router.url + url, {
    cookie: who.cookie,
    ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
  });

test('a message sent elsewhere, its answer and its end arrive on the page', async () => {
  const id = await converse('first');
  const first = await runner.next();
  first.finish();
  await until(
    async () => (await router.context.stores.conversations.page(id, { limit: 1 }))[0]?.status === 'done',
    'it is done',
  );
  await using page = await watch(await liveUrl(id));
  await alice.request(`/conversations/${id}/messages`, form({ text: 'from another tab' }));
  const added = await page.saw('from another tab');
  expect(added).toContain('hx-target="#messages"');
  const answer = await runner.next();
  answer.say('One **bold** word');
  expect(JSON.parse(await page.saw('<strong>bold</strong>'))[0]).toHaveLength(4);
  answer.finish();
  const end = await page.saw('data-status="done"');
  expect(end).toMatch(/hx-target="#message-[0-9a-f]{24}" hx-swap="outerMorph"/);
  expect(end).not.toContain('bold');
});

test('the composer shows Stop while an answer is written and Send after it', async () => {
  const id = await converse('compose');
  const answer = await runner.next();
  await using page = await watch(await liveUrl(id));
  const message = (await router.context.stores.conversations.page(id, { limit: 1 }))[0];
  expect(await (await alice.request(`/conversations/${id}`)).text()).toContain(`/messages/${message?.id}/stop`);
  answer.finish();
  const end = await page.saw('data-status="done"');
  expect(end).toContain('form="composer-form"');
});

test('law 17: a page that reconnects says what it has and gets exactly the rest', async () => {
  const id = await converse('away');
  const answer = await runner.next();
  answer.say('First paragraph.\n\nSecond paragraph.\n\nThird para');
  let last: string | undefined;
  {
    await using page = await watch(await liveUrl(id));
    await page.saw('Third para');
    last = page.events.at(-1)?.id;
  }
  answer.say('graph, grown.');
  await using page = await watch(await liveUrl(id), last);
  expect(JSON.parse(await page.saw('graph, grown.'))).toEqual([[1, 0, 0, 'graph, grown.']]);
  answer.finish();
  await page.saw('data-status="done"');
  const done = page.events.at(-1)?.id;
  await using later = await watch(await liveUrl(id), done);
  await later.saw('id="runner-');
  expect(later.events.map(({ data }) => data).join('')).not.toContain('graph');
});

test('an answer that ended while the page was away arrives whole', async () => {
  const id = await converse('sleep');
  const answer = await runner.next();
  answer.say('Half');
  const message = (await router.context.stores.conversations.page(id, { limit: 1 }))[0];
  const text = () => router.context.generations.textOf(message?.id ?? '');
  await until(() => text() === 'Half', 'the text arrives');
  const url = await liveUrl(id);
  answer.say(' and half.');
  answer.finish();
  await until(() => text() === undefined, 'it ends');
  await using page = await watch(url);
  expect(JSON.parse(await page.saw(' and half.'))).toEqual([[1, 0, 0, ' and half.']]);
  await page.saw('data-status="done"');
});

test('a page whose newest answer was replaced while it was away is told to load again, and then is not', async () => {
  const id = await converse('replace');
  (await runner.next()).cut();
  const newest = async () => (await router.context.stores.conversations.page(id, { limit: 1 }))[0];
  const failed = await until(async () => {
    const message = await newest();
    return message?.status === 'failed' ? message : undefined;
  }, 'it has failed');
  const url = await liveUrl(id);
  await alice.request(`/messages/${failed.id}/retry`, { method: 'POST' });
  (await runner.next()).finish();
  expect((await alice.request(url)).status).toBe(404);
  await using page = await watch(await liveUrl(id));
  await page.saw('id="runner-');
});

test('a page that was away while an answer ended and another began gets Stop, and nothing for the same place before it', async () => {
  const id = await converse('one');
  (await runner.next()).finish();
  const last = async () => (await router.context.stores.conversations.page(id, { limit: 1 }))[0];
  await until(async () => (await last())?.status === 'done', 'it is done');
  const url = await liveUrl(id);
  await alice.request(`/conversations/${id}/messages`, form({ text: 'two' }));
  (await runner.next()).finish();
  await until(async () => (await last())?.status === 'done', 'the second is done');
  await alice.request(`/conversations/${id}/messages`, form({ text: 'three' }));
  const growing = await runner.next();
  await using page = await watch(url);
  const missed = await page.saw('three');
  expect(await all(missed, '#composer-actions')).toHaveLength(1);
  expect(missed).toContain(`/messages/${(await last())?.id}/stop`);
  growing.finish();
});

test('a page that was away is told the name of its conversation and whether it is archived', async () => {
  const id = await converse('named');
  (await runner.next()).finish();
  const url = await liveUrl(id);
  await alice.request(`/api/conversations/${id}`, { method: 'PATCH', body: { title: 'Another name', archived: true } });
  await using page = await watch(url, '2');
  const missed = await page.saw('id="conversation-title"');
  expect(missed).toContain('Another name</h1>');
  expect(missed).toContain('This conversation is archived');
});

test('the state of a runner is on every page, also one without a conversation', async () => {
  const agent = await agentOf(router, alice, 'scribe');
  await using page = await watch('/live');
  await page.saw(`id="runner-${agent.id}"`);
  await alice.request(`/agents/${agent.id}/runner/stop`, { method: 'POST' });
  await page.saw('data-state="stopped"');
});

test('law 4: an open page holds no lease', async () => {
  const id = await converse('lease');
  (await runner.next()).finish();
  await using page = await watch(await liveUrl(id));
  await page.saw('id="runner-');
  await until(() => router.context.runners.running().every(({ status }) => status.leases === 0), 'no lease is left');
});

test('law 20: signing out ends the live streams of that session and of no other, and says so last', async () => {
  const other = await router.person(PEOPLE.alice);
  await using signedOut = await watch('/live', undefined, other);
  await using stays = await watch('/live');
  await other.request('/sign-out', { method: 'POST' });
  await signedOut.ended;
  expect(signedOut.events.at(-1)?.event).toBe('signed-out');
  await alice.request(`/agents/${(await agentOf(router, alice, 'scribe')).id}/runner`, { method: 'POST' });
  await stays.saw('data-state="running"');
  expect((await other.request('/live')).status).toBe(401);
});

test('a page of somebody else, who was signed in there before, gets no stream', async () => {
  const bob = await router.person(PEOPLE.bob);
  expect((await alice.request(`/live?user=${bob.id}`)).status).toBe(401);
  await using page = await watch(`/live?user=${alice.id}`);
  await page.saw('id="runner-');
});

test('a new conversation is the first link on other pages, and a deleted one is none', async () => {
  await using page = await watch('/live');
  await page.saw('hx-target="#conversations" hx-swap="innerMorph"');
  const id = await converse('in another tab');
  (await runner.next()).finish();
  const added = await page.saw(`id="conversation-link-${id}"`);
  expect(added).toContain('hx-target="#conversations" hx-swap="afterbegin"');
  await alice.request(`/conversations/${id}/title`, form({ title: 'Another name' }));
  await page.saw('Another name');
  await alice.request(`/conversations/${id}/delete`, { method: 'POST' });
  await page.saw(`hx-target="#conversation-link-${id}" hx-swap="delete"`);
});

test('a conversation beyond the first page of the list is told with the time by which the page finds its place', async () => {
  const old = await converse('an old one');
  (await runner.next()).finish();
  await until(() => router.context.generations.size === 0, 'it is done');
  for (let count = 0; count < 31; count += 1)
    await router.context.conversations.create(await agentOf(router, alice, 'scribe'));
  await using page = await watch('/live');
  expect(await page.saw('hx-target="#conversations" hx-swap="innerMorph"')).not.toContain(old);
  await alice.request(`/conversations/${old}/title`, form({ title: 'Renamed far below' }));
  const { updatedAtMs } = await router.context.conversations.get(alice.id, old);
  const renamed = await page.saw('Renamed far below');
  expect(renamed).toContain('hx-target="#conversations" hx-swap="afterbegin"');
  expect(renamed).toContain(`data-at="${updatedAtMs}"`);
  await alice.request(`/conversations/${old}/messages`, form({ text: 'again' }));
  expect(await page.saw('Renamed far below')).not.toContain(`data-at="${updatedAtMs}"`);
  (await runner.next()).finish();
  await until(() => router.context.generations.size === 0, 'it is done');
  await alice.request(`/conversations/${old}/delete`, { method: 'POST' });
  await page.saw(`hx-target="#conversation-link-${old}" hx-swap="delete"`);
});

test('a page that has all links is not told them when it connects', async () => {
  const id = await converse('links');
  (await runner.next()).finish();
  await until(() => router.context.generations.size === 0, 'it is done');
  await using page = await watch(await liveUrl(id));
  expect(await page.saw('id="runner-')).not.toContain('conversation-link');
});

test('a page whose conversation is deleted elsewhere says so, offers a new one and cannot send', async () => {
  const agent = await agentOf(router, alice, 'scribe');
  const id = await converse('to be deleted');
  (await runner.next()).finish();
  await using page = await watch(await liveUrl(id));
  await page.saw('id="runner-');
  await alice.request(`/conversations/${id}/delete`, { method: 'POST' });
  const gone = await page.saw('id="conversation-gone"');
  expect(gone).toContain('hx-target="#composer"');
  expect(gone).toContain(`href="/agents/${agent.id}"`);
});

test('what was deleted elsewhere can be brought back from the page that says so, which then goes on', async () => {
  const id = await converse('to be restored');
  (await runner.next()).finish();
  await alice.request(`/conversations/${id}/shelf`, form({ shelf: 'pinned' }));
  await using page = await watch(await liveUrl(id));
  await page.saw('id="runner-');
  await alice.request(`/conversations/${id}/delete`, { method: 'POST' });
  const [undo] = await all(await page.saw('id="conversation-gone"'), 'form input');
  expect(undo?.attributes).toMatchObject({ name: 'shelf', value: 'pinned' });
  await alice.request(`/conversations/${id}/shelf`, form({ shelf: 'pinned' }));
  expect(await page.saw('hx-target="#conversation-gone"')).toContain(`action="/conversations/${id}/messages"`);
  await alice.request(`/conversations/${id}/shelf`, form({ shelf: 'archived' }));
  expect(await page.saw('hx-target="#archived-notice"')).toContain('This conversation is archived');
  await alice.request(`/conversations/${id}/messages`, form({ text: 'again' }));
  const back = await page.saw('hx-target="#archived-notice"');
  expect(back).not.toContain('This conversation is archived');
  expect(back).toContain('hx-target="#conversations" hx-swap="afterbegin"');
  (await runner.next()).finish();
});

test('other people are told nothing of it', async () => {
  const bob = await router.person(PEOPLE.bob);
  await bob.request('/');
  await using page = await watch('/live', undefined, bob);
  await page.saw('id="runner-');
  const id = await converse('secret');
  (await runner.next()).finish();
  await until(() => router.context.generations.size === 0, 'it is done');
  await bob.request(`/agents/${(await agentOf(router, bob, 'scribe')).id}/runner`, { method: 'POST' });
  await page.saw('data-state="running"');
  expect(page.events.map(({ data }) => data).join('')).not.toContain(id);
  expect((await bob.request(`/live?conversation=${id}`)).status).toBe(404);
});
