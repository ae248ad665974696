/**
 * Stores the text of a message: in its row, and the rest of a long answer in pieces. Writing a row blocks the event loop
 * for a time that grows with the row, so a long answer is never one row.
 */
import { eq, getTableColumns, sql } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { messagePieces, messages } from '../../database/schema/chat';
import { lazy } from '../../lib/lazy';

/** Characters (UTF-16 units) of a message that a page shows. */
export const SHOWN_LENGTH_MAX = 64 * 1024;
/**
 * Characters of an answer in its row. A page shows less, so it never reads a piece. The row may have one less, so that no
 * character of two UTF-16 units is cut.
 */
export const ROW_LENGTH_MAX = SHOWN_LENGTH_MAX + 2;
/** Only a text whose row has at least this length can have pieces. Messages of users have none, however long they are. */
const FULL_LENGTH = ROW_LENGTH_MAX - 1;

/** A part of an answer's text. */
export interface TextPart {
  /** Without an ordinal all that stands in the row. */
  readonly content: string;
  /** Number of the piece. */
  readonly ordinal?: number;
}

const { steps: _, extra: __, ...columns } = getTableColumns(messages);
/** The columns of a `Message`. */
export const said = columns;

/** Bytes of all pieces of a message, in a query of messages. */
export const piecesBytes = sql<number>`CASE WHEN octet_length("messages"."content") < ${FULL_LENGTH} THEN 0 ELSE ifnull(
  (SELECT sum(octet_length(p.content)) FROM message_pieces AS p WHERE p.message_id = "messages"."id"), 0) END`;

export function textsOf(db: Db) {
  const { placeholder } = sql;
  const pieces = lazy(() =>
    db
      .select({ content: messagePieces.content })
      .from(messagePieces)
      .where(eq(messagePieces.messageId, placeholder('id')))
      .orderBy(messagePieces.ordinal)
      .prepare(),
  );
  const copied = db.$client.query<never, [string, string]>(
    'INSERT INTO message_pieces SELECT ?, ordinal, content FROM message_pieces WHERE message_id = ?',
  );
  return {
    /** The message with its whole text, as far as it is saved. */
    whole<Row extends { readonly id: string; readonly content: string }>(row: Row): Row {
      if (row.content.length < FULL_LENGTH) return row;
      const rest = pieces()
        .all({ id: row.id })
        .map(({ content }) => content);
      return rest.length === 0 ? row : { ...row, content: row.content + rest.join('') };
    },
    copyPieces(fromId: string, toId: string): void {
      copied.run(toId, fromId);
    },
  };
}
