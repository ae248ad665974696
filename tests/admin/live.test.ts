/** The administrator's pages live: what changed arrives, little of it, and only for the administrator. */
import { Database as Sqlite } from 'bun:sqlite';
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, spyOn, test } from 'bun:test';
import { grownBy } from '../../router/admin/live/stream';
import type { Agent } from '../../router/agents/store';
import { newId } from '../../router/lib/ids';
import { agentOf } from '../support/chat';
import {
  ADMIN,
  form,
  memoryBackend,
  PEOPLE,
  type Person,
  startRouter,
  type TestRouter,
  until,
} from '../support/router';
import { holdTime, passTime, restoreTime } from '../support/time';
import { watchStream } from '../support/watch';

/** Ends only a test that has failed. */
setDefaultTimeout(60_000);

const USERS = 10_000;
const RUNNERS = 1_000;

let router: TestRouter;
let admin: Person;
let alice: Person;
/** While it is set the clock stands, so that no row changes by its times alone. */
let stoppedAtMs: number | undefined;

beforeAll(async () => {
  router = await startRouter({
    backends: [memoryBackend('echo')],
    env: { MAX_RUNNERS: String(2 * RUNNERS) },
    now: () => stoppedAtMs ?? Date.now(),
  });
  admin = await router.person(ADMIN);
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());
afterEach(restoreTime);

/** An empty conversation of a person with their agent. */
const beginConversationOf = async (who: Person) =>
  router.context.conversations.create(await agentOf(router, who, 'echo'));

const watch = (query: string, who = admin) => watchStream(`${router.url}/admin/live?${query}`, { cookie: who.cookie });

test('the pages of overview, runners, backends and users have one stream each, and fetch nothing by a clock', async () => {
  const pages = ['/admin/overview', '/admin/runners', '/admin/backends', '/admin/users?search=alice'];
  for (const path of pages) {
    const text = await (await admin.request(path)).text();
    expect([path, text.match(/hx-sse:connect="\/admin\/live\?on=\w+/g)?.length]).toEqual([path, 1]);
    expect(text).not.toContain('every ');
  }
});

test('runners that start, stop and fail arrive on the overview and on the list', async () => {
  await using overview = await watch('on=overview');
  await using list = await watch('on=runners');
  await overview.saw('overview-versions');
  await list.saw('No agent is awake');
  expect((await alice.request('/api/runners/echo/start', { method: 'POST' })).status).toBe(200);
  const counted = await overview.saw('overview-runners');
  expect(counted).not.toContain('overview-versions');
  expect(await list.saw(PEOPLE.alice.email)).toContain('hx-target="#runner-list"');
  await alice.request('/api/runners/echo', { method: 'DELETE' });
  await list.saw('No agent is awake');
});

test('what changes around a page arrives by the same stream, and nothing of it that the page has', async () => {
  const { id } = await beginConversationOf(admin);
  const page = await (await admin.request('/admin/overview')).text();
  const query = /hx-sse:connect="\/admin\/live\?([^"]+)"/.exec(page)?.[1]?.replaceAll('&amp;', '&') ?? '';
  await using overview = await watch(query);
  const first = await overview.saw('overview-versions');
  expect(first).not.toContain(`conversation-link-${id}`);
  await admin.request(`/conversations/${id}/title`, form({ title: 'Renamed elsewhere' }));
  expect(await overview.saw('Renamed elsewhere')).toContain('hx-target="#conversations"');
  expect((await admin.request('/api/runners/echo/start', { method: 'POST' })).status).toBe(200);
  await overview.saw('hx-target="#runner-');
  await admin.request('/api/runners/echo', { method: 'DELETE' });
  await admin.request(`/conversations/${id}/delete`, { method: 'POST' });
  await overview.saw(`hx-target="#conversation-link-${id}" hx-swap="delete"`);
});

test('the output of a runner arrives at its end, and its page says when the runner has ended', async () => {
  await alice.request('/api/runners/echo/start', { method: 'POST' });
  const [found] = router.context.runners.running();
  const runnerId = found?.runner.id ?? '';
  router.platform.say(runnerId, 'first line');
  await using page = await watch(`on=runner&agent=${found?.agent.id}`);
  await page.saw('first line');
  router.platform.say(runnerId, 'second line');
  const more = await page.saw('second line');
  expect(more).toContain('hx-swap="beforeend"');
  expect(more).not.toContain('first line');
  await alice.request('/api/runners/echo', { method: 'DELETE' });
  await page.saw('This runner has ended');
});

test('what came to the end of a text is found, also where its beginning was cut off', () => {
  expect(grownBy('a\nb', 'a\nb\nc')).toBe('\nc');
  expect(grownBy('a\nb', 'a\nb')).toBe('');
  expect(grownBy('a\nb\nc', 'b\nc\nd')).toBe('\nd');
  expect(grownBy('line 1\nline 2', '…ne 2\nline 3')).toBe('\nline 3');
  expect(grownBy('a\nb', 'x\ny')).toBeUndefined();
  expect(grownBy('', 'x')).toBeUndefined();
  expect(grownBy(`${'-\n'.repeat(399)}end`, '-\nend\nmore')).toBe('\nmore');
});

test('a text that repeats its beginning more often than is looked for is sent anew', () => {
  // The last one fits, but so many places are not looked at.
  expect(grownBy(`${'-\n'.repeat(401)}end`, '-\nend\nmore')).toBeUndefined();
  expect(grownBy(`${'.'.repeat(60_000)}x`, `…${'.'.repeat(59_990)}y`)).toBeUndefined();
});

test('a user who is disabled or added elsewhere arrives on the list', async () => {
  await using list = await watch('on=users');
  await list.saw(PEOPLE.alice.email);
  await router.context.removal.disable(alice.id);
  const changed = await list.saw('disabled');
  expect(changed).toContain(`hx-target="#user-${alice.id}"`);
  expect(changed).not.toContain(ADMIN.email);
  await router.context.removal.enable(alice.id);
  await router.context.users.create({ email: 'newcomer@example.org' });
  expect(await list.saw('newcomer@example.org')).toContain('hx-target="#user-list"');
  alice = await router.person(PEOPLE.alice);
});

test('the list after a user who is purged stays as it is, and its stream goes on', async () => {
  const { users, removal } = router.context;
  const { id } = await users.create({ email: 'before@example.org' });
  await removal.delete(id);
  const page = spyOn(users, 'page');
  await using list = await watch(`on=users&after=${id}`);
  const looked = () => page.mock.calls.findIndex(([query]) => query.after === id);
  await until(() => looked() >= 0, 'the stream looks');
  await expect(page.mock.results[looked()]?.value).rejects.toThrow('There is no such user.');
  page.mockRestore();
  const isOver = list.ended.then(() => true);
  const other = admin.request('/admin/users').then(({ status }) => status !== 200);
  expect(await Promise.race([isOver, other])).toBe(false);
});

test('a page that was away gets every part anew', async () => {
  {
    await using page = await watch('on=overview');
    await page.saw('overview-versions');
  }
  await using page = await watch('on=overview');
  const all = await page.saw('overview-versions');
  for (const part of ['problems', 'runners', 'answers', 'disk']) expect(all).toContain(`id="overview-${part}"`);
});

test('law 20: the stream is for the administrator, and ends with the session', async () => {
  expect((await alice.request('/admin/live?on=overview')).status).toBe(403);
  expect((await router.request('/admin/live?on=overview')).status).toBe(401);
  const other = await router.person(ADMIN);
  await using page = await watch('on=runners', other);
  await page.saw('runner-list');
  await other.request('/sign-out', { method: 'POST' });
  await page.ended;
  expect(page.events.at(-1)?.event).toBe('signed-out');
});

/** As many users as a large installation has, and runners that nobody started. */
async function populate(): Promise<Agent[]> {
  const { database, runners, drivers } = router.context;
  const sqlite = database.db.$client;
  const insert = sqlite.prepare(
    "INSERT INTO users (id, email, name, slug, role, password_hash, created_at_ms) VALUES (?, ?, ?, ?, 'user', '', ?)",
  );
  const ids: string[] = [];
  sqlite.transaction(() => {
    for (let number = 0; number < USERS; number += 1) {
      const id = newId();
      ids.push(id);
      insert.run(id, `person-${number}@example.org`, `Person ${number}`, `person-${number}`, number);
    }
  })();
  const driver = drivers.find('memory');
  if (!driver) throw new Error('There is no memory driver');
  const { agents } = router.context.stores;
  const made: Agent[] = [];
  for (const userId of ids.slice(0, RUNNERS)) {
    const agent = await agents.ensureDefault({ userId, backend: 'echo', name: 'Echo', nowMs: 0 });
    const runner = {
      ...{ id: newId(), agentId: agent.id, driver, handle: {}, url: 'http://127.0.0.1:9', accessKey: 'none' },
      ...{ specHash: null, startedAtMs: Date.now() },
    };
    await runners.adopt(agent, 'running', async () => ({ runner, keyHash: runner.id, callbackHash: null }));
    made.push(agent);
  }
  return made;
}

test('with 10,000 users and 1,000 runners a page is bounded, and 10,000 events are one look and what changed', async () => {
  const made = await populate();
  const { events, runners } = router.context;
  const [first] = made.map(({ id }) => id).sort();
  const agent = made.find(({ id }) => id === first);
  if (!agent) throw new Error('There is no agent');
  for (const path of ['/admin/overview', '/admin/runners', '/admin/users']) {
    const { length } = await (await admin.request(path)).bytes();
    expect([path, length < 120_000]).toEqual([path, true]);
  }
  stoppedAtMs = Date.now();
  await using list = await watch('on=runners');
  // The list and the last of what is around it: the two come in any order.
  for (const part of ['runner-list', 'changed']) {
    await until(() => list.events.some(({ data }) => data.includes(part)), `the page has ${part}`);
  }
  const before = list.events.length;
  // However long what follows takes, the page is not looked at by the clock meanwhile.
  holdTime();
  const prepared = spyOn(Sqlite.prototype, 'prepare');
  for (let count = 0; count < 10_000; count += 1) events.publish(agent.userId, { kind: 'runner', agentId: agent.id });
  const lease = await runners.lease(agent, { signal: new AbortController().signal, work: {} });
  for (let count = 0; count < 10_000; count += 1) events.publish(agent.userId, { kind: 'runner', agentId: agent.id });
  passTime(1_000);
  const news = await list.saw('1 answer');
  const queries = prepared.mock.calls.filter(([sql]) => String(sql).includes('from "users"')).length;
  prepared.mockRestore();
  lease.end();
  stoppedAtMs = undefined;
  restoreTime();
  expect(news).toContain(`hx-target="#awake-${agent.id}"`);
  expect(news.length).toBeLessThan(2_000);
  expect(list.events.length - before).toBeLessThanOrEqual(2);
  expect(queries).toBeLessThanOrEqual(2);
  await until(
    () => runners.census().states.some(({ state, count }) => state === 'running' && count >= RUNNERS - 1),
    'all run',
  );
});
