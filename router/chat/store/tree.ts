/**
 * The messages of a conversation are a tree: what is edited or asked for again is a variant beside the first one, with a
 * history of its own. One path through the tree is shown, and its messages are those that are not hidden; so whoever reads
 * a conversation reads the shown path, and needs the tree only to go to another one.
 */
import { and, eq, inArray, isNull, type SQL, type SQLWrapper, sql } from 'drizzle-orm';
import { type Db, roomInLog } from '../../database/database';
import { groupedWrites } from '../../database/grouped-writes';
import { TEXT_PARAMETER } from '../../database/parameters';
import { conversations, messages } from '../../database/schema/chat';
import { MESSAGES_AT_ONCE } from './deleting';
import { inConversation, type MessageTree, parentOf, treeOf } from './message-tree';

/** False stands in the head of a row, so that its texts are not read for it. */
export const isShown = sql`${messages.isHidden} = 0`;

/** The condition that a message is on a path: the shown one, or the one with these positions. */
export const onPath = (path: readonly number[] | undefined): SQL => (path ? positionIn(path) : isShown);

const inPositions = (column: SQLWrapper, positions: Iterable<number>) =>
  sql`${column} IN (SELECT value FROM json_each(${JSON.stringify([...positions])}))`;
const positionIn = (positions: Iterable<number>) => inPositions(messages.position, positions);

/** What changed on the shown path. */
export interface PathChange {
  /** Messages that are not shown any more, or are gone. */
  readonly gone: readonly string[];
  /** Position after which the path has changed. */
  readonly after: number;
}

/** Hides what is shown after a position. @returns the ids. */
export function hideAfter(tx: Db, conversationId: string, position: number): readonly string[] {
  const there = and(inConversation(conversationId), sql`${messages.position} > ${position}`, isShown);
  const hidden = tx.update(messages).set({ isHidden: true }).where(there).returning({ id: messages.id }).all();
  return hidden.map(({ id }) => id);
}

/** Shows the newest path through a message, which begins a variant. What is said next is told to a new runtime session. */
export function show(tx: Db, conversationId: string, tree: MessageTree, position: number): PathChange {
  const after = tree.parentOf(position);
  const gone = hideAfter(tx, conversationId, after);
  const newest = [...tree.below(position)].at(-1) ?? position;
  const path = tree.pathTo(newest).filter((one) => one > after);
  tx.update(messages)
    .set({ isHidden: false })
    .where(and(inConversation(conversationId), positionIn(path)))
    .run();
  goOn(tx, conversationId);
  return { gone, after };
}

/** Notes where a conversation goes on whose path has changed. */
export function goOn(tx: Db, conversationId: string): void {
  const newest = (where?: SQL) =>
    sql`(SELECT max(position) FROM messages WHERE conversation_id = ${conversationId}${where ? sql` AND ${where}` : sql``})`;
  const shown = sql`ifnull(${newest(sql`is_hidden = 0`)}, 0)`;
  tx.update(conversations)
    .set({
      goesOnFrom: sql`nullif(${shown}, ifnull(${newest()}, 0))`,
      sessionFrom: conversations.lastPosition,
      answeredTo: 0,
    })
    .where(eq(conversations.id, conversationId))
    .run();
}

/** The place of a message among its variants. */
export interface Variants {
  /** Position of the message that all of them follow. */
  readonly after: number;
  /** From 1. */
  readonly number: number;
  readonly count: number;
  readonly previousId?: string | undefined;
  readonly nextId?: string | undefined;
}

export function treeStore(db: Db) {
  const write = groupedWrites(db);
  const isStreaming = (tx: Db, conversationId: string) =>
    tx
      .select({ id: messages.id })
      .from(messages)
      .where(and(inConversation(conversationId), sql`${messages.status} = 'streaming'`))
      .get() !== undefined;
  const placeOf = (tx: Db, id: string) =>
    tx
      .select({ conversationId: messages.conversationId, position: messages.position, isHidden: messages.isHidden })
      .from(messages)
      .where(eq(messages.id, id))
      .get();

  const branches = db.$client.query<unknown, [conversationId: string]>(
    `SELECT 1 FROM messages INDEXED BY messages_branching
      WHERE conversation_id = ${TEXT_PARAMETER} AND parent IS NOT NULL LIMIT 1`,
  );
  // Of the whole tree only what is beside these messages: there may be tens of thousands in a conversation.
  const siblings = db.$client.query<
    { shown: number; after: number; position: number; id: string },
    [conversationId: string, positions: string]
  >(
    `WITH placed AS (
        SELECT m.conversation_id, m.position AS shown, coalesce(m.parent, (SELECT max(position) FROM messages
          WHERE conversation_id = m.conversation_id AND position < m.position), 0) AS after
        FROM messages AS m
        WHERE conversation_id = ${TEXT_PARAMETER} AND position IN (SELECT value FROM json_each(?))
      )
      SELECT shown, after, m.position AS position, m.id AS id FROM placed
        CROSS JOIN messages AS m INDEXED BY messages_branching
        WHERE m.conversation_id = placed.conversation_id AND m.parent = after
      UNION ALL
      SELECT shown, after, m.position, m.id FROM placed CROSS JOIN messages AS m
        WHERE m.conversation_id = placed.conversation_id AND m.parent IS NULL AND m.position =
          (SELECT min(position) FROM messages WHERE conversation_id = placed.conversation_id AND position > after)
      ORDER BY position`,
  );

  return {
    /** The tree of a conversation. */
    async tree(conversationId: string): Promise<MessageTree> {
      return treeOf(db, conversationId);
    },

    /** Position of the message that one follows; 0 for none. */
    async parentOf({ conversationId, position }: { conversationId: string; position: number }): Promise<number> {
      return parentOf(db, conversationId, position);
    },

    /** Returns the variants of the messages at these positions that have any. */
    async variants(conversationId: string, positions: readonly number[]): Promise<ReadonlyMap<number, Variants>> {
      const found = new Map<number, Variants>();
      if (positions.length === 0 || !branches.get(conversationId)) return found;
      const rows = siblings.all(conversationId, JSON.stringify(positions));
      for (const [position, all] of Map.groupBy(rows, ({ shown }) => shown)) {
        const index = all.findIndex((one) => one.position === position);
        const { after = 0 } = all[index] ?? {};
        const [previousId, nextId] = [all[index - 1]?.id, all[index + 1]?.id];
        if (all.length > 1) found.set(position, { after, number: index + 1, count: all.length, previousId, nextId });
      }
      return found;
    },

    /**
     * Shows another variant, with the newest of what follows it.
     * @returns `undefined`, and nothing is changed, while an answer is being written there or when the message is gone.
     */
    async showVariant(messageId: string): Promise<PathChange | undefined> {
      return write((tx) => {
        const place = placeOf(tx, messageId);
        if (!place || isStreaming(tx, place.conversationId)) return undefined;
        if (!place.isHidden) return { gone: [], after: place.position };
        return show(tx, place.conversationId, treeOf(tx, place.conversationId), place.position);
      });
    },

    /**
     * Deletes what follows a message, in all variants; with `itself`, also the message, and shows another variant of it
     * where there is one. A part at a time: what is said meanwhile stays.
     * @returns `undefined` when there is no such message.
     */
    async deleteBelow(messageId: string, { itself }: { readonly itself: boolean }): Promise<PathChange | undefined> {
      const place = placeOf(db, messageId);
      if (!place) return undefined;
      const { conversationId, position, isHidden } = place;
      const tree = treeOf(db, conversationId);
      const below = [...(itself ? [position] : []), ...tree.below(position)].sort((one, other) => other - one);
      const after = itself ? tree.parentOf(position) : position;
      const take = (tx: Db, part: readonly number[]) => {
        follow(tx, conversationId, { gone: part, after });
        const there = and(inConversation(conversationId), positionIn(part));
        const taken = tx.delete(messages).where(there).returning({ id: messages.id }).all();
        return taken.map(({ id }) => id);
      };
      const gone: string[] = [];
      let left = below;
      // The newest first, so that what is left is a tree that goes on where it is shown, whenever the process ends.
      for (; left.length > MESSAGES_AT_ONCE; left = left.slice(MESSAGES_AT_ONCE)) {
        const part = left.slice(0, MESSAGES_AT_ONCE);
        const taken = await write((tx) => {
          const ids = take(tx, part);
          goOn(tx, conversationId);
          return ids;
        });
        gone.push(...taken);
        await roomInLog(db);
      }
      const last = await write((tx) => {
        const ids = take(tx, left);
        const shown = treeOf(tx, conversationId);
        const variant = itself && !isHidden ? shown.childrenOf(after).at(-1) : undefined;
        if (variant === undefined) goOn(tx, conversationId);
        else show(tx, conversationId, shown, variant);
        return ids;
      });
      return { gone: [...gone, ...last], after };
    },
  };
}

/** Has what was said meanwhile follow a message that stays. @param gone a part of what is to be deleted, the newest first. */
function follow(tx: Db, conversationId: string, { gone, after }: { gone: readonly number[]; after: number }): void {
  const [newest = 0] = gone;
  const next = sql`(SELECT min(position) FROM messages WHERE conversation_id = ${conversationId} AND position > ${newest}
    AND EXISTS (SELECT 1 FROM messages WHERE conversation_id = ${conversationId} AND position = ${newest}))`;
  const isNext = and(inConversation(conversationId), sql`${messages.position} = ${next}`, isNull(messages.parent));
  const isBranch = and(inConversation(conversationId), inPositions(messages.parent, gone));
  for (const there of [isNext, isBranch]) tx.update(messages).set({ parent: after }).where(there).run();
}

/** Has what followed messages that are to be deleted follow what they followed. */
export function reattach(tx: Db, conversationId: string, goneIds: readonly string[]): void {
  const tree = treeOf(tx, conversationId);
  const there = and(inConversation(conversationId), inArray(messages.id, [...goneIds]));
  const gone = new Set(
    tx
      .select({ position: messages.position })
      .from(messages)
      .where(there)
      .all()
      .map((row) => row.position),
  );
  for (const position of gone) {
    let parent = tree.parentOf(position);
    while (gone.has(parent)) parent = tree.parentOf(parent);
    const children = tree.childrenOf(position).filter((one) => !gone.has(one));
    if (children.length === 0) continue;
    tx.update(messages)
      .set({ parent })
      .where(and(inConversation(conversationId), positionIn(children)))
      .run();
  }
}
