/** Reads conversations from their beginning, with the whole text of each message. */
import type { Db } from '../../database/database';
import { TEXT_PARAMETER } from '../../database/parameters';
import type { Message, WholeMessage } from '../store/conversations';
import { textsOf } from '../store/texts';

/** Messages that are read at once, and bytes of their texts and steps. */
const READ_MAX = 100;
const READ_BYTES_MAX = 512 * 1024;

/** A message with the data of a callback, and what its agent did for it. */
export type TellingMessage = Message & Partial<Pick<WholeMessage, 'extra' | 'steps'>>;

type Json = 'failure' | 'calls' | 'results' | 'steps' | 'extra';
type Row = Omit<WholeMessage, Json | 'isHidden'> & { readonly [Name in Json]: string | null } & {
  readonly isHidden: number;
};
type Range = [conversationId: string, after: number, withHidden: number];

// Not by Drizzle, which takes as long to make an object of a row as everything else that is done for a message.
const THERE = `conversation_id = ${TEXT_PARAMETER} AND position > ? AND is_hidden <= ?`;

export function wholeStore(db: Db) {
  const { whole } = textsOf(db);
  // Lengths are read without the texts.
  const sizes = db.$client.query<{ position: number; bytes: number }, Range>(
    `SELECT position, octet_length(content) + ifnull(octet_length(steps), 0) AS bytes FROM messages
      WHERE ${THERE} ORDER BY position LIMIT ${READ_MAX}`,
  );
  const read = db.$client.query<Row, [...Range, upTo: number]>(
    `SELECT id, conversation_id AS conversationId, position, role, content, status, failure, calls, results,
      created_at_ms AS createdAtMs, ended_at_ms AS endedAtMs, parent, is_hidden AS isHidden, callback_id AS callbackId, steps, extra,
      incomplete FROM messages WHERE ${THERE} AND position <= ? ORDER BY position`,
  );

  return {
    /**
     * The first messages after a position, whole, oldest first: as many as are quick to read, at least one if there is any.
     * @param options.withHidden also those of variants that are not shown.
     */
    async wholeAfter(
      conversationId: string,
      position: number,
      { withHidden = false }: { readonly withHidden?: boolean } = {},
    ): Promise<readonly TellingMessage[]> {
      const range: Range = [conversationId, position, Number(withHidden)];
      let sum = 0;
      let upTo = position;
      for (const one of sizes.all(...range)) {
        sum += one.bytes;
        if (upTo > position && sum > READ_BYTES_MAX) break;
        upTo = one.position;
      }
      return read.all(...range, upTo).map((row) => whole(message(row)));
    },
  };
}

function message(row: Row): TellingMessage {
  return {
    ...row,
    isHidden: row.isHidden === 1,
    failure: parsed(row.failure),
    calls: parsed(row.calls),
    results: parsed(row.results),
    steps: parsed(row.steps),
    extra: parsed(row.extra),
  };
}

function parsed<Value>(text: string | null): Value | null {
  return text === null ? null : (JSON.parse(text) as Value);
}
