/** Reads messages for programs and runtimes: whole, or only their heads. */
import { and, desc, eq, gt, gte, isNotNull, isNull, lt, lte, ne, type SQL, sql } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { messages, type Step } from '../../database/schema/chat';
import type { Message, WholeMessage } from './conversations';
import type { Statements } from './statements';
import { piecesBytes, said, textsOf } from './texts';
import { isShown, onPath } from './tree';

/** A message without its text, which may be megabytes. */
export type MessageHead = Pick<
  Message,
  'id' | 'conversationId' | 'position' | 'role' | 'status' | 'isHidden' | 'callbackId'
>;
export type Newest = Pick<Message, 'id' | 'role' | 'status'>;
/** Messages, and bytes of what they are read or copied with. */
interface Bounds {
  readonly limit: number;
  readonly maxBytes: number;
}
/** Which messages. */
export interface HeadsRange {
  readonly after?: number | undefined;
  readonly limit: number;
  readonly ofTurns?: boolean;
}

const { id, conversationId, position, role, status, isHidden, callbackId } = messages;
const head = { id, conversationId, position, role, status, isHidden, callbackId };

// The length of a column in bytes is read without the column.
const bytesSaid = sql<number>`octet_length(${messages.content}) + ${piecesBytes} + ifnull(octet_length(${messages.calls}), 0)
  + ifnull(octet_length(${messages.results}), 0)`;
const bytesOfSteps = sql<number>`ifnull(octet_length(${messages.steps}), 0)`;
const bytesStored = sql<number>`${bytesSaid} + ${bytesOfSteps}`;
/** Bytes of steps that are read for the thoughts in them: those of older answers are left out. */
const THOUGHTS_BYTES_MAX = 1024 * 1024;

export function messagesStore(db: Db, run: Statements) {
  const { whole } = textsOf(db);

  /** The first position from which all messages together are within the limits, and the bytes of the newest alone. */
  function firstWithin(
    there: SQL | undefined,
    { limit, maxBytes }: Bounds,
    bytes = bytesSaid,
  ): { first?: number; newestBytes: number } {
    const sizes = db
      .select({ position: messages.position, bytes })
      .from(messages)
      .where(there)
      .orderBy(desc(messages.position))
      .limit(limit)
      .all();
    let sum = 0;
    let first = sizes[0]?.position;
    for (const { position, bytes: own } of sizes) {
      sum += own;
      if (sum > maxBytes) break;
      first = position;
    }
    return { ...(first !== undefined && { first }), newestBytes: sizes[0]?.bytes ?? 0 };
  }

  return {
    async findMessageHead(id: string): Promise<MessageHead | undefined> {
      return db.select(head).from(messages).where(eq(messages.id, id)).get();
    },
    async findMessage(id: string): Promise<WholeMessage | undefined> {
      const row = db.select().from(messages).where(eq(messages.id, id)).get();
      return row && whole(row);
    },
    /**
     * Up to `limit` messages before `position` (or the newest), oldest first, on the shown path or on another one. Without
     * notices: no model is told them.
     * @param options.maxBytes of their texts, calls and results together: older ones are left out, the newest is not.
     */
    async page(
      conversationId: string,
      options: { before?: number; limit: number; maxBytes?: number; path?: readonly number[] | undefined },
    ): Promise<readonly Message[]> {
      const before = options.before === undefined ? undefined : lt(messages.position, options.before);
      const isTold = ne(messages.role, 'notice');
      const there = and(eq(messages.conversationId, conversationId), before, onPath(options.path), isTold);
      const { limit, maxBytes } = options;
      const from = maxBytes === undefined ? undefined : firstWithin(there, { limit, maxBytes }).first;
      return db
        .select(said)
        .from(messages)
        .where(and(there, from === undefined ? undefined : gte(messages.position, from)))
        .orderBy(desc(messages.position))
        .limit(limit)
        .all()
        .reverse()
        .map(whole);
    },
    /**
     * What was thought for the answers among these messages, by their ids, as far as the newest are within the bound.
     * @param told neighbours on the shown path or on another one, oldest first.
     */
    async thoughts(told: readonly Message[], path?: readonly number[]): Promise<ReadonlyMap<string, string>> {
      const [first, last] = [told[0], told.at(-1)];
      if (!first || !last) return new Map();
      const upTo = and(lte(position, last.position), onPath(path));
      const there = and(eq(conversationId, first.conversationId), gte(position, first.position), upTo);
      const bounds = { limit: told.length, maxBytes: THOUGHTS_BYTES_MAX };
      const from = firstWithin(there, bounds, bytesOfSteps).first ?? last.position;
      const rows = db
        .select({ id, steps: messages.steps })
        .from(messages)
        .where(and(there, gte(position, from), isNotNull(messages.steps)))
        .all();
      return new Map(
        rows.map((row) => [row.id, thoughtIn(row.steps ?? [])] as const).filter(([, text]) => text !== ''),
      );
    },
    /** The position from which on the messages up to one are within bounds; `undefined` if that one alone is not. */
    async forkableFrom(
      conversationId: string,
      upTo: number,
      bounds: Bounds & { readonly path?: readonly number[] | undefined },
    ): Promise<number | undefined> {
      const there = and(eq(messages.conversationId, conversationId), lte(messages.position, upTo), onPath(bounds.path));
      const { first = upTo, newestBytes } = firstWithin(there, bounds, bytesStored);
      return newestBytes > bounds.maxBytes ? undefined : first;
    },
    /** The newest messages, or the first ones after a position; oldest first. `ofTurns`: without callbacks. */
    async heads(inConversation: string, { after, limit, ofTurns }: HeadsRange): Promise<readonly MessageHead[]> {
      const later = after === undefined ? undefined : gt(position, after);
      const there = and(eq(conversationId, inConversation), later, isShown, ofTurns ? isNull(callbackId) : undefined);
      const order = after === undefined ? desc(position) : position;
      const rows = db.select(head).from(messages).where(there).orderBy(order).limit(limit).all();
      return after === undefined ? rows.reverse() : rows;
    },
    /** A conversation's newest message that is no callback. */
    async newest(conversationId: string): Promise<Newest | undefined> {
      return run.newest.get(conversationId) ?? undefined;
    },
  };
}

function thoughtIn(steps: readonly Step[]): string {
  return steps.flatMap((step) => (step.kind === 'thought' ? [step.text] : [])).join('\n\n');
}
