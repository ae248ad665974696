import { Database as Sqlite } from 'bun:sqlite';
import { afterAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { form, memoryBackend, PEOPLE, type Person, startRouter, until } from '../support/router';
import { scripted } from '../support/scripted';
import { all, textsOf } from '../views/dom';

const runner = scripted('search');
const backends = [memoryBackend('scribe', {}, runner.program)];
const router = await startRouter({ backends });
const alice = await router.person(PEOPLE.alice);
const bob = await router.person(PEOPLE.bob);
afterAll(() => router[Symbol.asyncDispose]());

const part = { headers: { 'hx-request': 'true' } };

async function agentOf(who: Person): Promise<string> {
  await who.request('/');
  return (await router.context.agents.list(who.id))[0]?.id ?? '';
}

/** A conversation in which `text` was answered by `answer`. @returns its id. */
async function converse(who: Person, text: string, answer = 'Well.'): Promise<string> {
  const response = await who.request(`/agents/${await agentOf(who)}/conversations`, form({ text }));
  const request = await runner.next();
  request.say(answer);
  request.finish();
  await until(() => router.context.generations.size === 0, 'the answer has ended');
  return response.headers.get('location')?.split('/').at(-1) ?? '';
}

async function find(who: Person, query: string) {
  const html = await (await who.request(`/search?${new URLSearchParams({ q: query })}`, part)).text();
  const texts = (selector: string) => textsOf(html, selector);
  return {
    html,
    titles: await texts('.hit-head .ellipsis'),
    excerpts: await texts('.hit-text'),
    marks: await texts('mark'),
    hrefs: (await all(html, '.hit')).map(({ attributes }) => attributes.href ?? ''),
  };
}

test('messages and answers are found by parts of words, in any case, and the hits are marked', async () => {
  await converse(alice, 'How do I relay a Stream?', 'With a **ReadableStream** and no buffer.');
  const { titles, marks, excerpts } = await find(alice, 'stream');
  expect(titles).toEqual(['How do I relay a Stream?', 'How do I relay a Stream?']);
  expect(marks.map((mark) => mark.toLowerCase())).toContain('stream');
  expect(excerpts[0]).toContain('ReadableStream');
  expect((await find(alice, 'RELAY stream')).titles).toHaveLength(1);
  expect((await find(alice, 'relay unheardof')).titles).toEqual([]);
});

test('Chinese is found by one character, by two and by more', async () => {
  await converse(alice, '我们今天讨论数据库的搜索', '好');
  for (const query of ['搜', '搜索', '数据库', '今天 搜索', '好']) {
    expect([query, (await find(alice, query)).titles.length]).toEqual([query, 1]);
  }
  expect((await find(alice, '索搜')).titles).toEqual([]);
  expect((await find(alice, '数据库')).marks).toContain('数据库');
});

test('what stands in a message stays text among the hits', async () => {
  await converse(alice, 'An <img src=x onerror=alert(1)> & <mark>needle</mark>');
  const { html, excerpts } = await find(alice, 'needle');
  expect(await all(html, 'img')).toEqual([]);
  expect(await all(html, 'mark')).toHaveLength(2);
  expect(excerpts[0]).toContain('<img src=x onerror=alert(1)>');
});

test('nobody finds what another user wrote, nor opens a message of theirs', async () => {
  await converse(alice, 'The secret is halibut');
  const [href = ''] = (await find(alice, 'halibut')).hrefs;
  expect((await alice.request(href)).headers.get('location')).toMatch(/^\/conversations\/\w+#message-\w+$/);
  await converse(bob, 'Anything else');
  expect((await find(bob, 'halibut')).hrefs).toEqual([]);
  expect((await bob.request(href)).status).toBe(404);
  const foreign = await bob.request('/search?q=halibut&before=99999999999999', part);
  expect(await foreign.text()).not.toContain('halibut"');
});

test('a conversation is found by its new name and not by the old one, and nothing of a deleted one', async () => {
  const id = await converse(alice, 'About wombats');
  await alice.request(`/conversations/${id}/title`, form({ title: 'Marsupials' }));
  expect((await find(alice, 'marsupial')).hrefs).toEqual([`/conversations/${id}`]);
  await alice.request(`/conversations/${id}/title`, form({ title: 'Monotremes' }));
  expect((await find(alice, 'marsupial')).hrefs).toEqual([]);
  expect((await find(alice, 'monotreme')).hrefs).toHaveLength(1);
  await alice.request(`/api/conversations/${id}`, { method: 'PATCH', body: { title: 'Echidnas' } });
  expect((await find(alice, 'echidna')).hrefs).toEqual([`/conversations/${id}`]);
  expect((await find(alice, 'monotreme')).hrefs).toEqual([]);
  await alice.request(`/conversations/${id}/delete`, { method: 'POST' });
  for (const query of ['echidna', 'wombats']) expect((await find(alice, query)).hrefs).toEqual([]);
});

test('an answer is found when it has ended, and no conversation that a program left', async () => {
  const response = await alice.request(`/agents/${await agentOf(alice)}/conversations`, form({ text: 'Say quokka' }));
  const request = await runner.next();
  request.say('A capybara');
  expect((await find(alice, 'quokka')).hrefs).toHaveLength(1);
  expect((await find(alice, 'capybara')).hrefs).toEqual([]);
  request.finish();
  await until(() => router.context.generations.size === 0, 'the answer has ended');
  expect((await find(alice, 'capybara')).hrefs).toHaveLength(1);
  expect(response.status).toBe(303);
  const [agent] = await router.context.agents.list(alice.id);
  if (!agent) throw new Error('premise: there is an agent');
  const { id } = await router.context.conversations.create(agent, Date.now() + 60_000);
  await router.context.stores.conversations.insertTurn({
    ...{ conversationId: id, answerId: 'f'.repeat(24), title: 'echidna', nowMs: Date.now() },
    ...{ user: { id: 'e'.repeat(24), content: 'echidna' }, expiresAtMs: Date.now() + 60_000 },
  });
  expect((await find(alice, 'echidna')).hrefs).toEqual([]);
});

test('hits are told a page at a time, newest first, each once', async () => {
  const carol = await router.person({ email: 'carol@example.org', name: 'Carol', password: 'carol-secret' });
  for (let index = 0; index < 45; index += 1) await converse(carol, `pelican number ${index}`);
  const seen: string[] = [];
  for (let href: string | undefined = '/search?q=pelican'; href; ) {
    const html: string = await (await carol.request(href, part)).text();
    seen.push(...(await all(html, '.hit-text')).map(({ text }) => text));
    href = (await all(html, '.more a'))[0]?.attributes.href?.replaceAll('&amp;', '&');
  }
  expect(seen).toEqual(Array.from({ length: 45 }, (_, index) => `pelican number ${44 - index}`));
});

test('any query is answered, whatever the syntax of the index makes of it', async () => {
  const queries = [
    '"',
    '* OR',
    'NEAR(a b)',
    'text:a',
    '-',
    '\0',
    "'; DROP TABLE users",
    '((((',
    '%_',
    'a'.repeat(90_000),
    '🎉',
  ];
  for (const query of queries) {
    const response = await alice.request(`/search?${new URLSearchParams({ q: query.slice(0, 7_000) })}`);
    expect([query.slice(0, 20), response.status]).toEqual([query.slice(0, 20), 200]);
  }
});

test('an old database is indexed after the start, and goes on where it was interrupted', async () => {
  await using old = await startRouter({ backends });
  const dave = await old.person({ email: 'dave@example.org', name: 'Dave', password: 'dave-secret-1' });
  await dave.request('/');
  const [agent] = await old.context.agents.list(dave.id);
  if (!agent) throw new Error('premise: there is an agent');
  for (let index = 0; index < 100; index += 1) {
    const { id } = await old.context.conversations.create(agent);
    const ids = { conversationId: id, answerId: `${index}a`.padStart(24, '0') };
    const user = { id: `${index}b`.padStart(24, '0'), content: `ocelot ${'word '.repeat(400)}` };
    await old.context.stores.conversations.insertTurn({ ...ids, user, title: 'T', nowMs: Date.now() });
    await old.context.stores.conversations.endAnswer(ids.answerId, { status: 'done', calls: [], nowMs: Date.now() });
  }
  const { search } = old.context.stores;
  const place = await search.indexSome();
  expect(place).toBeDefined();
  await old.stop();
  await using again = await startRouter({ dataRoot: old.dataRoot, backends });
  await again.context.search.indexAll(new AbortController().signal);
  const sqlite = new Sqlite(join(old.dataRoot, 'router.db'), { readonly: true });
  const counts = sqlite
    .query('SELECT count(*) AS all_, count(DISTINCT message_id) AS messages FROM search_entries')
    .get();
  sqlite.close();
  expect(counts).toEqual({ all_: 300, messages: 200 });
});
