/**
 * Every statement that the stores run finds its rows by an index: a table that grows is never read from end to end. The
 * statements are those that are prepared while every function of every store is called.
 */
import { Database as Sqlite } from 'bun:sqlite';
import { afterAll, beforeAll, expect, spyOn, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../router/database/database';
import { createStores } from '../../router/stores';
import { usageRow } from '../support/usage';

/** Statements that may read a whole table, by what they have in common, and why. */
const ALLOWED: readonly (readonly [RegExp, string])[] = [
  [/from "runners"$/, 'at boot and for health: one row for each runner that runs, which capacity bounds'],
  [/^delete from "runners"$/, 'once, when the data moved to another place'],
  [/from "user_limits"$/, 'at boot: the administrator makes each by hand'],
  [/from "budgets"$|FROM budgets CROSS JOIN/, 'at boot: the administrator and owners make each by hand'],
  [/from "prices" order by/, 'at boot: the administrator makes each by hand'],
  [/FROM search_index WHERE/, 'the full-text index has no plan: it reads a range of ids, which the store bounds'],
  [/"shared_models"$/, 'at boot, and when the administrator sets the whole list: at most 1,000'],
  [/from "shared_variables"$/, 'cached; the names of variables in backends.json bound it'],
  [/'streaming' returning/, 'at boot: the index has only the answers that are being written'],
  [/from "(credentials|agent_variables)"$/, 'when the encryption key changes: every sealed text is sealed anew'],
  [/ AS listed$/m, 'a page of conversations, each of whose shelves is in the order of an index'],
  [/from "users" order by "users"."email" limit \?$/, 'as many as are asked for, in the order of the index'],
  [
    /from "users" (where .*(LIKE|is null).* )?order by "users"."created_at_ms" desc/,
    'a page of users, in the order of the index',
  ],
  [/from "audit_events" order by/, 'a page of events, in the order of the index, and the oldest ones by their id'],
  [/"invitations" (order by|where "invitations"."expires_at_ms" < \?$)/, 'at most 500 that the administrator has made'],
];

type Stores = ReturnType<typeof createStores>;

/** Statements that sort rows of which they take the first, by what they have in common, and why. */
const SORTED: typeof ALLOWED = [
  [/INDEXED BY conversations_numbered ON/, 'the numbers of conversations with all agents of one backend, mostly one'],
  [/FROM usage_series .* DESC, 1 LIMIT/s, 'lines of a report by what was used in its days, which no index knows'],
];

const statements = new Set<string>();
let folder = '';
let sqlite: Sqlite;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-stack-plans-'));
  const path = join(folder, 'router.db');
  const spies = (['prepare', 'query'] as const).map((name) => {
    const original = Sqlite.prototype[name];
    return spyOn(Sqlite.prototype, name).mockImplementation(function (this: Sqlite, ...given: unknown[]) {
      statements.add(String(given[0]));
      return Reflect.apply(original, this, given);
    } as typeof original);
  });
  const database = openDatabase(path);
  // Migrations are not what is asked about.
  statements.clear();
  const stores = createStores(database.db);
  const names = await walk(stores);
  for (const spy of spies) spy.mockRestore();
  database.close();
  sqlite = new Sqlite(path, { readonly: true });
  expect(names).toEqual([]);
});
afterAll(async () => {
  sqlite.close();
  await rm(folder, { recursive: true });
});

/** Statements that have such a step in their plans, without those that may. */
function having(step: RegExp, exceptions: typeof ALLOWED, which = /^\s*(select|insert|update|delete|with)/i) {
  return [...statements].flatMap((statement) => {
    if (!which.test(statement)) return [];
    const plan = sqlite.query<{ detail: string }, []>(`EXPLAIN QUERY PLAN ${statement}`).all();
    const found = plan.map(({ detail }) => detail).filter((detail) => step.test(detail));
    return found.length === 0 || exceptions.some(([allowed]) => allowed.test(statement)) ? [] : [{ statement, found }];
  });
}

test('no statement reads a growing table from end to end', () => {
  expect(statements.size).toBeGreaterThan(60);
  expect(having(/^SCAN (?!CONSTANT ROW|\d+-ROW VALUES|\(|json_each)/, ALLOWED)).toEqual([]);
});

test('no statement sorts rows of which it takes the first', () => {
  expect(having(/TEMP B-TREE FOR ORDER BY/, SORTED, /^\s*select.* limit /is)).toEqual([]);
});

test('rows that are deleted with another row are found by an index', () => {
  const tables = sqlite.query<{ name: string }, []>("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  const bare = tables.flatMap(({ name: table }) => {
    const columns = sqlite.query<{ from: string }, []>(`PRAGMA foreign_key_list("${table}")`).all();
    return columns.flatMap(({ from }) => {
      const plan = sqlite.query<{ detail: string }, []>(
        `EXPLAIN QUERY PLAN DELETE FROM "${table}" WHERE "${from}" = ?`,
      );
      return plan.all().some(({ detail }) => /^SCAN/.test(detail)) ? [`${table}.${from}`] : [];
    });
  });
  expect(bare).toEqual([]);
});

test('every exception is needed', () => {
  const unused = [...ALLOWED, ...SORTED].filter(
    ([allowed]) => ![...statements].some((statement) => allowed.test(statement)),
  );
  expect(unused.map(([allowed]) => String(allowed))).toEqual([]);
});

/** Calls every function of every store. @returns those that it does not know. */
async function walk(stores: Stores): Promise<string[]> {
  const called = new Set<string>();
  const watched = Object.fromEntries(
    Object.entries(stores).map(([name, store]) => [
      name,
      new Proxy(store, {
        get(target, key) {
          called.add(`${name}.${String(key)}`);
          return Reflect.get(target, key);
        },
      }),
    ]),
  ) as unknown as Stores;
  await useAll(watched);
  return Object.entries(stores)
    .flatMap(([name, store]) => Object.keys(store).map((key) => `${name}.${key}`))
    .filter((name) => !called.has(name));
}

async function useAll(stores: Stores): Promise<void> {
  const { users, sessions, keys, agents, idle, own, runners, settings, sealed, usage, budgets, installation } = stores;
  const nowMs = 1_700_000_000_000;
  const event = {
    atMs: nowMs,
    action: 'sign-in.done',
    actor: 'a',
    actorId: null,
    target: 'b',
    detail: '',
    address: '',
  };
  await stores.limits.put({ subjectId: '', runners: 1, agents: null, backends: null });
  await stores.limits.list();
  await stores.limits.delete('');
  await stores.audit.append(event);
  const last = await stores.audit.find(1);
  await stores.audit.page({}, last, 1);
  await stores.audit.page({ action: 'sign-in.done', fromMs: 0, untilMs: nowMs }, undefined, 1);
  await stores.audit.page({ person: 'a' }, last, 1);
  await stores.audit.deleteBefore(nowMs + 1);
  await installation.keep('id', () => 'x');
  await installation.put({ place: 'here' });
  await installation.find('id');
  const user = { name: 'A', role: 'user', passwordHash: 'x', createdAtMs: nowMs } as const;
  await users.insert({ ...user, id: 'u', email: 'a@example.org', slug: 'a' });
  await users.find('u');
  await users.findByEmail('a@example.org');
  await users.findByIdentity('https://login.example.org/ subject');
  await users.findAdmin();
  await users.slugsLike('a');
  await users.list(5);
  await users.namesOf(['u', 'v']);
  const session = { id: 's', userId: 'u', address: '', browser: '', createdAtMs: nowMs, seenAtMs: nowMs };
  await sessions.insert({ ...session, expiresAtMs: nowMs });
  await sessions.find('s', nowMs);
  await sessions.list('u', nowMs);
  await sessions.markSeen(new Map([['s', nowMs]]));
  await sessions.delete('u', 's');
  await sessions.deleteOf('u', 's');
  await useAdministration(stores, nowMs);
  await sessions.deleteExpired(nowMs);
  const limits = { requestsPerMinute: null, tokensPerMinute: null, concurrentMax: null, eventsWhileWaiting: false };
  const dates = { createdAtMs: nowMs, lastUsedAtMs: null, expiresAtMs: null };
  await keys.insert({
    ...{ id: 'k', userId: 'u', name: 'k', hash: 'h', lastFour: 'abcd', scopes: ['v1'], backends: [], agents: [] },
    ...limits,
    ...dates,
  });
  await keys.findByHash('h');
  await keys.find('k');
  await keys.list('u');
  await keys.namesOf(['k', 'l']);
  const owned = await keys.findOwned('k');
  await keys.listAll(5);
  await keys.listAll(5, owned);
  await keys.markUsed(new Map([['k', nowMs]]));
  const agent = await agents.ensureDefault({ userId: 'u', backend: 'b', name: 'B', nowMs });
  await agents.find(agent.id);
  await agents.list('u');
  await agents.namesOf([agent.id, 'other']);
  const second = await agents.insert({ userId: 'u', backend: 'b', name: 'C', model: '', createdAtMs: nowMs }, 3);
  await agents.update(second?.id ?? '', { name: 'D' });
  await agents.delete(second?.id ?? '');
  await own.putInstructions(agent.id, 'x');
  await own.instructionsOf(agent.id);
  await own.putInstructions(agent.id, undefined);
  await own.putVariable(agent.id, 'N', 'x');
  await own.variablesOf(agent.id);
  await own.deleteVariable(agent.id, 'N');
  await idle.put('u', 'b', 60);
  await idle.secondsOf('u');
  await runners.insert({
    ...{ agentId: agent.id, id: 'r', driver: 'd', backend: 'b', state: 'starting', accessKeySealed: 'x' },
    ...{ runnerKeyHash: 'y', startedAtMs: nowMs, lastActiveAtMs: nowMs },
  });
  await runners.list();
  await runners.findByAgent(agent.id);
  await runners.update('r', { state: 'running' });
  await runners.markActive(new Map([['r', nowMs]]));
  await useConversations(stores, agent.id, nowMs);
  await useConversationsApi(stores.conversationsApi, agent.id, nowMs);
  await useAttachments(stores, nowMs);
  await useCallbacks(stores.callbacks, agent.id, nowMs);
  await useSchedules(stores.schedules, { id: 's', userId: 'u', agentId: agent.id }, nowMs);
  const credential = { userId: 'u', backend: 'b', name: 'N', sealed: 'x', updatedAtMs: nowMs };
  await settings.putCredentials([credential], { userId: 'u', backend: 'b', names: ['M'] });
  await settings.credentialsOf('u');
  await sealed.resealAll((text) => text);
  await settings.deleteCredentials({ userId: 'u', backend: 'b' });
  await settings.setShared(['N'], true, nowMs);
  await settings.sharedVariables();
  await settings.setShared(['N'], false, nowMs);
  await useUsage(usage, nowMs);
  const budget = { unit: 'tokens', period: 'day', softLimit: null, hardLimit: 1 } as const;
  await budgets.put({ ...budget, subjectId: 'u', userId: 'u', keyId: null });
  await budgets.list();
  await budgets.delete('u');
  await keys.delete('u', 'k');
  await runners.delete('r');
  await runners.deleteAll();
}

async function useAdministration({ users, links }: Stores, nowMs: number): Promise<void> {
  const last = await users.find('u');
  for (const search of ['', 'a']) {
    for (const withDeleted of [true, false]) {
      await users.page({ search, last: undefined, limit: 5, withDeleted });
      await users.page({ search, last, limit: 5, withDeleted });
    }
  }
  await users.change('u', { name: 'B' });
  await users.duePurges(nowMs, 5);
  await users.restore('u', nowMs);
  await users.setPassword('u', 'x', { endsSessions: true });
  await users.handOver('u');
  await links.putReset({ userId: 'u', hash: 'h', expiresAtMs: nowMs + 1 });
  await links.findReset('h', nowMs);
  await links.useReset('h', 'x', nowMs);
  const invitation = { id: 'i', hash: 'h', email: null, usesMax: 1, uses: 0, createdAtMs: nowMs };
  await links.insertInvitation({ ...invitation, expiresAtMs: nowMs + 1 }, nowMs);
  await links.listInvitations(5);
  await links.findInvitation('h', nowMs);
  const user = { id: 'v', email: 'v@example.org', name: 'V', slug: 'v', role: 'user', passwordHash: 'x' } as const;
  await links.join('h', { ...user, createdAtMs: nowMs }, nowMs);
  await links.deleteInvitation('i');
  await users.delete('v');
}

async function useConversations({ conversations, search }: Stores, agentId: string, nowMs: number): Promise<void> {
  const conversation = {
    ...{ id: 'c', userId: 'u', agentId, title: '', createdAtMs: nowMs, updatedAtMs: nowMs, lastPosition: 0 },
    ...{ model: '', sessionFrom: 0, expiresAtMs: null, goesOnFrom: null, isUnread: false },
    shelf: 'list' as const,
  };
  await conversations.insert(conversation);
  const turn = { conversationId: 'c', title: 'T', nowMs };
  const turnOf = (id: string) => ({ ...turn, user: { id: `of-${id}`, content: 'Hi' }, answerId: id });
  const end = { status: 'done', text: { content: 'x' }, calls: [], nowMs } as const;
  for (const id of ['a1', 'a2', 'a3']) {
    await conversations.insertTurn(turnOf(id));
    await conversations.saveText(id, { content: 'x' });
    await conversations.saveText(id, { content: 'y', ordinal: 0 });
    await conversations.endAnswer(id, end);
  }
  await conversations.insertTurn({ ...turn, answerId: 'a4', replacesId: 'a3' });
  const beginning = { conversation: { ...conversation, id: 'd', lastPosition: 4 }, fork: { of: 'c', from: 1 } };
  await conversations.forkableFrom('c', 4, { limit: 9, maxBytes: 9 });
  await conversations.insertTurn({ ...turnOf('a5'), conversationId: 'd', beginning });
  await conversations.endOrphans({ code: 'x', message: 'x' }, nowMs);
  await conversations.find('c');
  await conversations.list('u', 50);
  await conversations.list('u', 50, { updatedAtMs: nowMs, id: 'c' });
  await conversations.findListed('u', 'c');
  await conversations.markRead('c');
  await conversations.rename('c', 'T');
  await conversations.retitle('c', 'T', 'U');
  await conversations.renewSessions(agentId);
  await conversations.findMessage('a1');
  await conversations.page('c', { limit: 5 });
  await conversations.page('c', { before: 5, limit: 5, maxBytes: 9 });
  await conversations.thoughts(await conversations.page('c', { limit: 5 }));
  await conversations.findMessageHead('a1');
  await conversations.heads('c', { limit: 2 });
  await conversations.heads('c', { after: 1, limit: 3 });
  await conversations.heads('c', { limit: 1, ofTurns: true });
  await conversations.newest('c');
  await conversations.findWithNewest('c');
  await conversations.shown('c', { limit: 5 });
  await conversations.shown('c', { limit: 5, before: 4 });
  await conversations.shown('c', { limit: 5, after: 1 });
  await conversations.textBytes('a1', 0, 5);
  await conversations.pieceBytes('a1', 0);
  search.isBehind();
  await search.indexSome();
  await search.indexSome(undefined, 'u');
  await search.waiting('u');
  await search.find('u', '"hi "', { limit: 5 });
  await conversations.insertTurn({ ...turnOf('a6'), after: 1 });
  await conversations.endAnswer('a6', end);
  await conversations.tree('c');
  await conversations.parentOf({ conversationId: 'c', position: 2 });
  await conversations.variants('c', [1, 2]);
  await conversations.showVariant('a1');
  await conversations.page('c', { limit: 5, path: [1, 2] });
  await conversations.deleteBelow('a6', { itself: true });
  await conversations.deleteAnswer('a1');
  await conversations.expired(nowMs);
  await conversations.deleteIfExpired(['c'], { byMs: nowMs, isAnswering: () => false });
  await conversations.deleteOfAgent('a');
  await conversations.discard('d', nowMs);
  await conversations.findDiscarded('u', 'd');
  await conversations.putOn('d', 'u', 'pinned');
  await conversations.list('u', 50, undefined, 'archived');
  await conversations.delete('d');
}

async function useConversationsApi(api: Stores['conversationsApi'], agentId: string, nowMs: number): Promise<void> {
  await api.counted('u', { id: 'c' });
  await api.counted('u', { backend: 'b', seq: 1 });
  await api.counted('u', { limit: 5, before: undefined });
  await api.counted('u', { limit: 5, before: { id: 'c', updatedAtMs: nowMs } });
  await api.wholeAfter('c', 0);
  const message = { id: 'p', conversationId: 'c', role: 'user', content: 'x', title: '', nowMs } as const;
  await api.post(message, () => false);
  const said = { id: 'w', role: 'user', content: 'x', status: 'done', createdAtMs: nowMs } as const;
  await api.insertWhole({ id: 'cw', userId: 'u', agentId, title: '', nowMs }, [said]);
}

async function useAttachments({ attachments, conversationsApi }: Stores, nowMs: number): Promise<void> {
  const file = { hash: 'h', name: 'n', type: 'text/plain', bytes: 1, width: null, height: null };
  await attachments.loosen('h', nowMs);
  const waits = { userId: 'u', conversationId: 'cw' };
  await attachments.insertWaiting(waits, [{ ...file, id: 'f' }], nowMs, () => undefined);
  await attachments.waitingIn('cw');
  await attachments.insert({ ...waits, messageId: 'w' }, [{ ...file, id: 'g' }], nowMs);
  const message = { id: 'pf', conversationId: 'cw', role: 'user', content: '', title: '', nowMs } as const;
  await conversationsApi.post({ ...message, attachmentIds: ['f'] }, () => false);
  await attachments.find('f');
  await attachments.ofMessages(['pf']);
  await attachments.bytesOf('u');
  await attachments.deleteWaiting(nowMs);
  await attachments.looseSince(nowMs, nowMs);
  await attachments.forget('h', nowMs, () => {});
}

async function useSchedules(
  schedules: Stores['schedules'],
  ids: { id: string; userId: string; agentId: string },
  nowMs: number,
): Promise<void> {
  await schedules.insert({
    ...{ ...ids, cron: '0 8 * * *', timeZone: 'UTC', text: 'hi', conversationId: null, isPaused: false },
    ...{ nextAtMs: nowMs, createdAtMs: nowMs, lastAtMs: null, lastConversationId: null, lastProblem: null },
  });
  await schedules.find(ids.id);
  await schedules.listOfAgent(ids.agentId);
  await schedules.listOfUser(ids.userId);
  await schedules.countOfUser(ids.userId);
  await schedules.due(nowMs, 10);
  await schedules.moveOn({ id: ids.id, nextAtMs: nowMs }, null);
  await schedules.update(ids.id, { isPaused: true });
  await schedules.delete(ids.id);
}

async function useCallbacks(callbacks: Stores['callbacks'], agentId: string, nowMs: number): Promise<void> {
  const callback = {
    id: 'n',
    conversationId: 'c',
    role: 'notice',
    content: 'x',
    extra: null,
    createdAtMs: nowMs,
  } as const;
  await callbacks.newestOf(agentId);
  await callbacks.insert({ ...callback, callbackId: 'k', isSeen: false });
  await callbacks.find('k');
}

async function useUsage(usage: Stores['usage'], nowMs: number): Promise<void> {
  await usage.insert([usageRow({ userId: 'u', atMs: nowMs, keyIds: ['k', 'l'] })]);
  for (const userId of [undefined, 'u']) {
    const range = { fromMs: 0, untilMs: nowMs, ...(userId !== undefined && { userId }) };
    await usage.totals(range);
    for (const by of ['day', 'user', 'agent', 'backend', 'model', 'key'] as const) await usage.groups(range, by, 10);
    await usage.page(range, undefined, 10);
    await usage.page(range, { atMs: 0, id: 0 }, 10);
  }
  await usage.deleteBefore(0, 10);
  await usage.ofConversation({ userId: 'u', conversationId: 'c', fromMs: 0, untilMs: nowMs });
  await usage.usersAfter('', 5);
  await usage.spentBy(['u'], { fromMs: 0, untilMs: nowMs });
  await usage.spent('day', { fromMs: 0, untilMs: nowMs });
  await usage.spent('day', { fromMs: 0, untilMs: nowMs }, 'u');
  await usage.putPrice({ model: 'm', prompt: 1, completion: 1, cached: null, perCall: null });
  await usage.prices();
  await usage.deletePrice('m');
  await usage.putSharedModels(['m']);
  await usage.sharedModels();
}
