import { Database as Sqlite } from 'bun:sqlite';
import { afterAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { newTimeId } from '../../router/lib/ids';
import { form, memoryBackend, PEOPLE, startRouter } from '../support/router';

/** More than one transaction deletes. */
const MANY = 250;

const router = await startRouter({ backends: [memoryBackend('scribe')] });
const alice = await router.person(PEOPLE.alice);
afterAll(() => router[Symbol.asyncDispose]());
const { agents, stores } = router.context;
await alice.request('/');
const [agent] = await agents.list(alice.id);
if (!agent) throw new Error('premise: there is an agent');

async function longConversation(agentId = agent?.id ?? ''): Promise<string> {
  const id = newTimeId();
  const said = Array.from({ length: MANY }, (_, index) => ({
    ...{ id: newTimeId(), role: 'user' as const, content: `wombat ${index}`, status: 'done' as const, createdAtMs: 1 },
  }));
  await stores.conversationsApi.insertWhole({ id, userId: alice.id, agentId, title: 'Long', nowMs: Date.now() }, said);
  return id;
}

/** What the database has of a conversation. */
function rowsOf(id: string) {
  using sqlite = new Sqlite(join(router.dataRoot, 'router.db'), { readonly: true });
  const count = (statement: string) => sqlite.query<{ n: number }, [string]>(statement).get(id)?.n;
  return {
    conversations: count('SELECT count(*) AS n FROM conversations WHERE id = ?'),
    messages: count('SELECT count(*) AS n FROM messages WHERE conversation_id = ?'),
  };
}
const NOTHING = { conversations: 0, messages: 0 };

test('a long conversation is deleted in parts, between which others write and nobody finds it', async () => {
  const [long, other] = [await longConversation(), await longConversation()];
  const ended: string[] = [];
  const deleted = stores.conversations.delete(long).then(() => ended.push('deleted'));
  await stores.conversations.rename(other, 'Renamed').then(() => ended.push('renamed'));
  expect(rowsOf(long)).toMatchObject({ conversations: 1 });
  expect(rowsOf(long).messages).toBeLessThan(MANY);
  expect(await stores.conversations.find(long)).toBeUndefined();
  expect(await stores.conversations.findDiscarded(alice.id, long)).toBeUndefined();
  await deleted;
  expect(ended).toEqual(['renamed', 'deleted']);
  expect(rowsOf(long)).toEqual(NOTHING);
  expect(rowsOf(other)).toEqual({ conversations: 1, messages: MANY });
});

test('from a message on, a long conversation is deleted in parts, and what is said meanwhile stays', async () => {
  const id = await longConversation();
  const [first] = await stores.conversations.page(id, { limit: 1, before: 2 });
  const deleted = stores.conversations.deleteBelow(first?.id ?? '', { itself: false });
  const message = {
    id: newTimeId(),
    conversationId: id,
    content: 'meanwhile',
    nowMs: 1,
    role: 'user',
    title: '',
  } as const;
  await stores.conversationsApi.post({ ...message, attachmentIds: [] }, () => false);
  expect(rowsOf(id).messages).toBeGreaterThan(2);
  expect(await deleted).toMatchObject({ after: 1, gone: { length: MANY - 1 } });
  const left = await stores.conversations.page(id, { limit: 9 });
  expect(left.map(({ content }) => content)).toEqual(['wombat 0', 'meanwhile']);
});

/** A conversation of these messages, each of which follows the one before it unless it names another. */
async function branched(said: readonly { parent?: number; isHidden?: boolean }[]): Promise<string> {
  const id = newTimeId();
  const whole = said.map((place, index) => ({
    ...{ id: newTimeId(), role: 'user' as const, content: `${index + 1}`, status: 'done' as const, createdAtMs: 1 },
    ...place,
  }));
  const ids = { id, userId: alice.id, agentId: agent?.id ?? '', title: 'Branched', nowMs: Date.now() };
  await stores.conversationsApi.insertWhole(ids, whole);
  return id;
}
const chain = (count: number) => Array.from({ length: count }, () => ({}));
const idAt = async (id: string, position: number) =>
  (await stores.conversations.page(id, { before: position + 1, limit: 1 }))[0]?.id ?? '';
const post = (conversationId: string, content: string) =>
  stores.conversationsApi.post(
    { ...{ id: newTimeId(), conversationId, content, nowMs: 1, role: 'user', title: '' }, attachmentIds: [] },
    () => false,
  );

test('what is said while a variant is deleted follows what is left of it, and no other variant', async () => {
  // The second message is shown; the third is its other variant.
  const id = await branched([{}, {}, { parent: 1, isHidden: true }, { parent: 2 }, ...chain(MANY)]);
  const deleted = stores.conversations.deleteBelow(await idAt(id, 2), { itself: false });
  const said = await post(id, 'meanwhile');
  await deleted;
  const tree = await stores.conversations.tree(id);
  if (typeof said === 'string') throw new Error('premise: it was said');
  expect(tree.pathTo(said.message.position)).toEqual([1, 2, MANY + 5]);
  expect([...tree.below(3)]).toEqual([]);
});

test('no conversation goes on from one of which a part is deleted', async () => {
  const id = await longConversation();
  const conversation = await stores.conversations.find(id);
  if (!conversation) throw new Error('premise: the conversation is stored');
  const beginning = await router.context.conversations.fork(conversation, MANY);
  const deleted = stores.conversations.delete(id);
  const ids = { conversationId: beginning.conversation.id, answerId: newTimeId() };
  expect(await stores.conversations.insertTurn({ ...ids, beginning, title: '', nowMs: 1 })).toBeUndefined();
  expect(rowsOf(id)).toMatchObject({ conversations: 1 });
  expect(rowsOf(beginning.conversation.id)).toEqual(NOTHING);
  await deleted;
});

test('nothing is said any more in a conversation that is deleted, in part or for some minutes', async () => {
  const [long, discarded] = [await longConversation(), await longConversation()];
  const deleted = stores.conversations.delete(long);
  expect(await post(long, 'too late')).toBe('gone');
  expect(rowsOf(long)).toMatchObject({ conversations: 1 });
  await deleted;
  expect(rowsOf(long)).toEqual(NOTHING);
  await stores.conversations.discard(discarded, Date.now() + 60_000);
  expect(await post(discarded, 'too late')).toBe('gone');
  expect(rowsOf(discarded)).toMatchObject({ messages: MANY });
});

test('between the parts of a deletion a conversation goes on from the newest message that is shown', async () => {
  const id = await branched([{}, {}, ...chain(MANY), { parent: 1, isHidden: true }]);
  const deleted = stores.conversations.deleteBelow(await idAt(id, 3), { itself: true });
  while ((rowsOf(id).messages ?? 0) > MANY) await turn();
  const [newest] = await stores.conversations.page(id, { limit: 1 });
  expect(newest?.position).toBeGreaterThan(3);
  expect((await stores.conversations.find(id))?.goesOnFrom).toBe(newest?.position as number);
  await deleted;
  expect((await stores.conversations.find(id))?.goesOnFrom).toBe(2);
});

test('one whose deletion was cut off goes with those that expire, and one that was brought back in time stays', async () => {
  const [half, expired, back] = [await longConversation(), await longConversation(), await longConversation()];
  {
    using sqlite = new Sqlite(join(router.dataRoot, 'router.db'));
    sqlite.run("UPDATE conversations SET shelf = 'deleted', expires_at_ms = 0 WHERE id = ?", [half]);
    sqlite.run('DELETE FROM messages WHERE conversation_id = ? AND position <= 100', [half]);
  }
  for (const id of [expired, back]) await stores.conversations.discard(id, 1);
  const found = await stores.conversations.expired(Date.now());
  expect([half, expired, back].every((id) => found.includes(id))).toBe(true);
  await stores.conversations.putOn(back, alice.id, 'list');
  await stores.conversations.deleteIfExpired(found, { byMs: Date.now(), isAnswering: () => false });
  expect([rowsOf(half), rowsOf(expired)]).toEqual([NOTHING, NOTHING]);
  expect(rowsOf(back)).toEqual({ conversations: 1, messages: MANY });
});

test('one that has begun to be deleted for good does not come back, and is not put among the deleted again', async () => {
  const [expired, given] = [await longConversation(), await longConversation()];
  await stores.conversations.discard(expired, 1);
  const ended = stores.conversations.deleteIfExpired([expired], { byMs: Date.now(), isAnswering: () => false });
  expect(await stores.conversations.findDiscarded(alice.id, expired)).toBeDefined();
  const back = stores.conversations.putOn(expired, alice.id, 'list');
  const deleted = stores.conversations.delete(given);
  await stores.conversations.discard(given, Date.now() + 60_000);
  expect(await back).toBe('gone');
  expect((await alice.request(`/conversations/${expired}/shelf`, form({ shelf: 'list' }))).status).toBe(404);
  await Promise.all([ended, deleted]);
  expect([rowsOf(expired), rowsOf(given)]).toEqual([NOTHING, NOTHING]);
});

test('one whose time is over stays while an answer is begun in it', async () => {
  const id = await longConversation();
  await stores.conversations.discard(id, 1);
  await stores.conversations.deleteIfExpired([id], { byMs: Date.now(), isAnswering: (one) => one === id });
  expect(rowsOf(id)).toEqual({ conversations: 1, messages: MANY });
});

test('with a user go their conversations, however long', async () => {
  const bob = await router.person(PEOPLE.bob);
  await bob.request('/');
  const [theirs] = await agents.list(bob.id);
  const id = newTimeId();
  const said = Array.from({ length: MANY }, () => ({
    ...{ id: newTimeId(), role: 'user' as const, content: 'quokka', status: 'done' as const, createdAtMs: 1 },
  }));
  const ids = { id, userId: bob.id, agentId: theirs?.id ?? '', title: '', nowMs: Date.now() };
  await stores.conversationsApi.insertWhole(ids, said);
  await router.context.removal.delete(bob.id);
  expect(rowsOf(id)).toEqual(NOTHING);
});
