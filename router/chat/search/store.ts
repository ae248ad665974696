/** What the full-text index of messages and titles finds. */
import type { Db } from '../../database/database';
import { groupedWrites } from '../../database/grouped-writes';
import type { Shelf } from '../store/shelves';
import { decode, ENTRIES_MAX, firstBytes, type IndexPlace, indexSteps } from './store-index';

/** Entries that one statement looks at: few where the words were in several of the newer ones, else four times as many each time. */
const SPAN = { least: 50, most: 16_000, growth: 4 } as const;

/** A message or, without `messageId`, a title that may have the terms of a search. */
export interface Found {
  readonly entry: number;
  readonly conversationId: string;
  readonly title: string;
  readonly agentId: string;
  readonly shelf: Shelf;
  readonly messageId: string | null;
  readonly role: 'user' | 'assistant' | 'notice' | null;
  /** When the message was written, or the conversation last changed. */
  readonly atMs: number;
  /** The beginning of the message; empty for a title. */
  readonly content: string;
}

type FoundRow = Omit<Found, 'content'> & { readonly content: Uint8Array | null };

export type SearchStore = ReturnType<typeof searchStore>;

export function searchStore(db: Db) {
  const { $client } = db;
  const write = groupedWrites(db);
  const indexStep = indexSteps($client);
  const unsearched = $client.query<unknown, []>(
    `SELECT 1 FROM conversations INDEXED BY conversations_unsearched
      WHERE user_id > '' AND searched_to < last_position AND expires_at_ms IS NULL LIMIT 1`,
  );
  const ownerOf = $client.prepare<{ number: number; entries: number }, [userId: string]>(
    'SELECT number, entries FROM search_owners WHERE user_id = ?',
  );
  // In this order only: the other one costs 1.5 ms for each trigram to find its beginning among millions of messages.
  const matching = $client.prepare<{ entry: number }, [match: string, from: number, before: number]>(
    `SELECT rowid AS entry FROM search_index WHERE search_index MATCH ? AND rowid >= ? AND rowid < ? ORDER BY rowid`,
  );
  const waiting = $client.prepare<{ messages: number }, [userId: string]>(
    `SELECT ifnull(sum(messages), 0) AS messages FROM (SELECT last_position - searched_to AS messages FROM conversations
      INDEXED BY conversations_unsearched
      WHERE user_id = ? AND searched_to < last_position AND expires_at_ms IS NULL LIMIT 1000)`,
  );
  const found = $client.prepare<FoundRow, [entry: number, userId: string]>(
    `SELECT e.id AS entry, c.id AS conversationId, c.title AS title, c.agent_id AS agentId, c.shelf AS shelf, m.id AS messageId,
      m.role AS role, ifnull(m.created_at_ms, c.updated_at_ms) AS atMs, ${firstBytes('m')} AS content
      FROM search_entries AS e LEFT JOIN messages AS m ON m.id = e.message_id
      JOIN conversations AS c ON c.id = ifnull(e.conversation_id, m.conversation_id)
      WHERE e.id = ? AND c.user_id = ? AND c.shelf <> 'deleted' AND ifnull(m.is_hidden, 0) = 0`,
  );

  return {
    /**
     * Indexes some of what is not indexed yet.
     * @param after where the step before this one came to.
     * @param ofUser only what this user has.
     * @returns where this one came to, or undefined when there is nothing after it.
     */
    async indexSome(after?: IndexPlace, ofUser?: string): Promise<IndexPlace | undefined> {
      return write(() => indexStep(after, ofUser));
    },

    /** Whether there is a message that is not indexed. */
    isBehind: (): boolean => unsearched.get() !== null,

    /** How many of a user's messages are not indexed yet: all, or as many as are quick to count. */
    async waiting(userId: string): Promise<number> {
      return waiting.get(userId)?.messages ?? 0;
    },

    /**
     * Looks through a part of a user's entries, newest first, for those that may match.
     * @param before an entry, or undefined for the newest.
     * @param span how many to look through: what the call before this one returned.
     * @returns at most `limit`, and before which entry to go on, where there are more to look through.
     */
    async find(
      userId: string,
      match: string,
      {
        before,
        limit,
        span = SPAN.least,
      }: { readonly before?: number | undefined; readonly limit: number; readonly span?: number | undefined },
    ): Promise<{ readonly found: readonly Found[]; readonly next?: number; readonly span?: number }> {
      const owner = ownerOf.get(userId);
      if (!owner) return { found: [] };
      const first = owner.number * ENTRIES_MAX + 1;
      const end = Math.min(before ?? Number.POSITIVE_INFINITY, first + owner.entries);
      const start = Math.max(first, end - span);
      const entries = matching
        .all(match, start, end)
        .slice(-limit)
        .map(({ entry }) => entry)
        .reverse();
      const rows = entries.flatMap((entry) => found.get(entry, userId) ?? []);
      const isFull = entries.length === limit;
      const next = (isFull && entries.at(-1)) || start;
      return {
        found: rows.map((row) => ({ ...row, content: decode(row.content) })),
        ...(next > first && { next }),
        span: isFull ? SPAN.least : Math.min(SPAN.most, span * SPAN.growth),
      };
    },
  };
}
