/** Reads messages for pages: a bounded number of them, and only the beginning of a long one. */
import { and, asc, desc, eq, gt, inArray, lt, sql } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { messagePieces, messages } from '../../database/schema/chat';
import type { Message, Step, ToolCall, ToolResult } from './conversations';
import { SHOWN_LENGTH_MAX } from './texts';
import { isShown } from './tree';

/** Bytes that the messages of a page have in the database, however much of them is shown: so much is read for a page. */
const PAGE_BYTES_MAX = 512 * 1024;
/** Bytes of a message's calls, or of its failure, that are read. */
const DETAIL_BYTES_MAX = 256 * 1024;

/** A message as a page shows it. */
export interface ShownMessage extends Message {
  /** The whole text if it has at most `SHOWN_LENGTH_MAX` characters, else its beginning and somewhat more than that. */
  readonly content: string;
  readonly steps: readonly Step[] | null;
}

export interface ShownMessages {
  /** Oldest first. */
  readonly messages: readonly ShownMessage[];
  /** Whether there are more: earlier ones, or later ones where those after a position were asked for. */
  readonly hasMore: boolean;
}

export interface ShownRange {
  /** Only messages before this position, from the newest on. */
  readonly before?: number | undefined;
  /** Only messages after this position, from the oldest on. */
  readonly after?: number;
  /** How many at most. There is at least one if there is any. */
  readonly limit: number;
}

export function shownStore(db: Db) {
  const { id, conversationId, position, role, content, status, createdAtMs, endedAtMs } = messages;
  const { failure, calls, results, steps } = messages;
  // Text with a NUL in it ends there for SQLite's `substr`, and not as bytes.
  const bytesOf = (from: number, length: number) =>
    sql<Uint8Array>`ifnull(substr(CAST(${content} AS BLOB), ${from + 1}, ${length}), x'')`;
  // At most three bytes of UTF-8 for a UTF-16 unit.
  const firstBytes = 3 * (SHOWN_LENGTH_MAX + 1);
  const firstPart = bytesOf(0, firstBytes).mapWith((bytes: Uint8Array) => decodeFirst(bytes));
  const ifSmall = <Value>(column: typeof failure | typeof calls | typeof results | typeof steps) =>
    sql<Value | null>`CASE WHEN octet_length(${column}) <= ${DETAIL_BYTES_MAX} THEN ${column} END`.mapWith(JSON.parse);
  const shown = {
    ...{ id, conversationId, position, role, content: firstPart, status, createdAtMs, endedAtMs },
    ...{ parent: messages.parent, isHidden: messages.isHidden, callbackId: messages.callbackId },
    incomplete: messages.incomplete,
    failure: ifSmall<NonNullable<Message['failure']>>(failure),
    calls: ifSmall<readonly ToolCall[]>(calls),
    results: ifSmall<readonly ToolResult[]>(results),
    steps: ifSmall<readonly Step[]>(steps),
  };
  // Known without reading the texts.
  const detailBytes = [failure, calls, results, steps].map((column) => sql`coalesce(octet_length(${column}), 0)`);
  const bytes = sql<number>`octet_length(${content}) + ${sql.join(detailBytes, sql` + `)}`;

  return {
    async shown(inConversation: string, { before, after, limit }: ShownRange): Promise<ShownMessages> {
      const range = and(
        eq(conversationId, inConversation),
        before === undefined ? undefined : lt(position, before),
        after === undefined ? undefined : gt(position, after),
        isShown,
      );
      const found = db
        .select({ id, bytes })
        .from(messages)
        .where(range)
        .orderBy(after === undefined ? desc(position) : asc(position))
        .limit(limit + 1)
        .all();
      let sum = 0;
      const fits = found.slice(0, limit).filter((one, index) => {
        sum += one.bytes;
        return index === 0 || sum <= PAGE_BYTES_MAX;
      });
      const ids = fits.map((one) => one.id);
      const rows = db.select(shown).from(messages).where(inArray(id, ids)).orderBy(position).all();
      return { messages: rows, hasMore: found.length > fits.length };
    },

    /** Bytes of what a message's row has of its text in UTF-8, from an offset on; empty at its end. */
    async textBytes(messageId: string, from: number, length: number): Promise<Uint8Array> {
      const row = db
        .select({ piece: bytesOf(from, length) })
        .from(messages)
        .where(eq(id, messageId))
        .get();
      return row?.piece ?? new Uint8Array();
    },

    /** A piece of a message's text behind its row, in UTF-8; empty where there is none. */
    async pieceBytes(messageId: string, ordinal: number): Promise<Uint8Array> {
      const row = db
        .select({ content: messagePieces.content })
        .from(messagePieces)
        .where(and(eq(messagePieces.messageId, messageId), eq(messagePieces.ordinal, ordinal)))
        .get();
      return Buffer.from(row?.content ?? '');
    },
  };
}

/** Without the half of a character at which it may have been cut. */
function decodeFirst(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true });
}
