import { afterAll, expect, test } from 'bun:test';
import { memoryBackend, PEOPLE, type Person, startRouter } from '../support/router';
import { all } from '../views/dom';

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 10, 27, 12);
let nowMs = START_MS;
const router = await startRouter({
  backends: [memoryBackend('scribe'), memoryBackend('clerk')],
  now: () => nowMs,
  steady: () => performance.now(),
});
const alice = await router.person(PEOPLE.alice);
const bob = await router.person(PEOPLE.bob);
afterAll(() => router[Symbol.asyncDispose]());

/** So many conversations, `daysAgo` days old, the last one the newest; with the two agents in turn. */
async function keep(who: Person, count: number, daysAgo: (index: number) => number): Promise<string[]> {
  const agents = await router.context.agents.list(who.id);
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) {
    nowMs = START_MS - daysAgo(index) * DAY_MS + index;
    const agent = agents[index % agents.length];
    if (!agent) throw new Error('premise: there are agents');
    const { id } = await router.context.conversations.create(agent);
    await router.context.conversations.rename(who.id, id, `Talk ${index}`);
    ids.push(id);
  }
  nowMs = START_MS;
  return ids;
}

const shown = async (who: Person, path: string) =>
  (await who.request(path, { headers: { 'hx-request': 'true' } })).text();
const linksOf = async (html: string) =>
  (await all(html, '[data-at] > .sidebar-link')).map(({ attributes }) => attributes.href?.split('/').at(-1));
const olderOf = async (html: string) => (await all(html, '.older > a'))[0]?.attributes.href?.replaceAll('&amp;', '&');

await alice.request('/');
await bob.request('/');
const ids = await keep(alice, 75, (index) => 74 - index);
const newestFirst = ids.toReversed();

test('every conversation is reached by the pages of the list, each once and in its order', async () => {
  const first = await (await alice.request(`/conversations/${newestFirst[0]}`)).text();
  const seen = await linksOf(first);
  expect(seen).toHaveLength(30);
  for (let href = await olderOf(first); href !== undefined; ) {
    const page = await shown(alice, href);
    seen.push(...(await linksOf(page)));
    href = await olderOf(page);
  }
  expect(seen).toEqual(newestFirst);
});

test('the list has conversations with all agents, under the days on which they last changed', async () => {
  const page = await (await alice.request(`/conversations/${newestFirst[0]}`)).text();
  const days = (await all(page, '#conversations > .day')).map(({ text }) => text);
  expect(days.slice(0, 4)).toEqual(['Today', 'Yesterday', 'Previous 7 days', 'November 2026']);
  const agents = (await all(page, '#conversations [data-at] > .sidebar-link')).map(
    ({ attributes }) => attributes.title,
  );
  expect(new Set(agents)).toEqual(new Set(['scribe', 'clerk']));
});

test('the current conversation is marked in the list, also when it is on a later page of it', async () => {
  const page = await (await alice.request(`/conversations/${ids[0]}`)).text();
  const current = await all(page, '#conversations [aria-current="page"]');
  expect(current.map(({ attributes }) => attributes.href)).toEqual([`/conversations/${ids[0]}`]);
  expect(await linksOf(page)).toHaveLength(31);
});

test('without scripts the older conversations are a page with links to the next ones', async () => {
  const href = await olderOf(await (await alice.request(`/conversations/${newestFirst[0]}`)).text());
  const page = await (await alice.request(href ?? '')).text();
  expect((await all(page, 'h1'))[0]?.text).toBe('Conversations');
  expect(await all(page, '.conversations [data-at]')).toHaveLength(30);
});

test('a place in a list of another user leads to none of their conversations', async () => {
  const href = await olderOf(await (await alice.request(`/conversations/${newestFirst[0]}`)).text());
  expect(await linksOf(await shown(bob, href ?? ''))).toEqual([]);
});

test('a place that is none leads to the first page', async () => {
  expect(await linksOf(await shown(alice, '/conversations?before=nonsense'))).toEqual(newestFirst.slice(0, 30));
});

test('the first page stays small for somebody with a thousand conversations', async () => {
  await keep(bob, 1_000, () => 3);
  const page = await (
    await bob.request('/agents/'.concat((await router.context.agents.list(bob.id))[0]?.id ?? ''))
  ).text();
  expect(await linksOf(page)).toHaveLength(30);
  expect(Bun.gzipSync(page).byteLength).toBeLessThan(12_000);
});
