/** Which message of a conversation follows which. */
import { and, eq, isNotNull, sql } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { messages } from '../../database/schema/chat';

export const inConversation = (id: string) => eq(messages.conversationId, id);

/**
 * The positions of all messages of a conversation, and which follows which. For what changes the tree: a page reads only the
 * variants that it shows.
 */
export class MessageTree {
  /** In their order. */
  readonly #positions: readonly number[];
  /** The parents of messages that do not follow the one before them, in the order of the messages. */
  readonly #branching: ReadonlyMap<number, number>;

  constructor(positions: readonly number[], branching: ReadonlyMap<number, number>) {
    this.#positions = positions;
    this.#branching = branching;
  }

  /** Position of the message that one follows; 0 for none. */
  parentOf(position: number): number {
    return this.#branching.get(position) ?? this.#positions[this.#indexOf(position) - 1] ?? 0;
  }

  /** Positions of the messages that follow a message, oldest first. Each begins a variant. */
  childrenOf(position: number): readonly number[] {
    const next = this.#positions[position === 0 ? 0 : this.#indexOf(position) + 1];
    const others = [...this.#branching].filter(([, parent]) => parent === position).map(([child]) => child);
    return next === undefined || this.#branching.has(next) ? others : [next, ...others];
  }

  #indexOf(position: number): number {
    let [from, to] = [0, this.#positions.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#positions[middle] ?? position) < position) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /** From the first message to this one. */
  pathTo(position: number): readonly number[] {
    const path: number[] = [];
    for (let at = position; at > 0; at = this.parentOf(at)) path.push(at);
    return path.reverse();
  }

  /** Everything that follows a message, in all variants. */
  below(position: number): ReadonlySet<number> {
    const found = new Set<number>();
    // Who follows has the greater position.
    for (const one of this.#positions) {
      const parent = this.parentOf(one);
      if (parent === position || found.has(parent)) found.add(one);
    }
    return found;
  }
}

/** @returns the tree; of a conversation that never branched, one path. */
export function treeOf(db: Db, conversationId: string): MessageTree {
  const there = inConversation(conversationId);
  const { position, parent } = messages;
  const positions = db.select({ position }).from(messages).where(there).orderBy(position).values();
  const branches = db
    .select({ position, parent })
    .from(messages)
    .where(and(there, isNotNull(parent)))
    .values();
  const branching = (branches as [number, number][]).sort(([a], [b]) => a - b);
  return new MessageTree((positions as [number][]).flat(), new Map(branching));
}

/** Position of the message that one follows, without the rest of the tree. */
export function parentOf(db: Db, conversationId: string, position: number): number {
  const before = sql`(SELECT max(position) FROM messages WHERE conversation_id = ${conversationId} AND position < ${position})`;
  const row = db
    .select({ parent: sql<number>`coalesce(${messages.parent}, ${before}, 0)` })
    .from(messages)
    .where(and(inConversation(conversationId), eq(messages.position, position)))
    .get();
  return row?.parent ?? 0;
}
