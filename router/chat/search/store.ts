/**
 * The full-text index of messages and titles, and what it finds.
 *
 * Messages are indexed after they are stored, a few milliseconds at a time: a conversation knows up to which position it
 * is indexed, in the same row as its newest position, so that a crash loses nothing, and old databases are indexed the
 * same way as new messages are. What is deleted is gone from the index with it.
 */
import type { Db } from '../../database/database';
import { groupedWrites } from '../../database/grouped-writes';
import { TEXT_PARAMETER } from '../../database/parameters';
import { plain, SEARCHED_LENGTH_MAX } from '../../lib/search-text';
import type { Shelf } from '../store/shelves';

/** Entries of one user have ids from `number * ENTRIES_MAX` on, so that a search reads only them. */
const ENTRIES_MAX = 2 ** 32;
/** Entries that one statement looks at: few where the words were in several of the newer ones, else four times as many each time. */
const SPAN = { least: 50, most: 16_000, growth: 4 } as const;
/** Milliseconds of one step of indexing, in which nothing else is done. */
const STEP_MS = 3;
/**
 * Pages of the index that are merged with each step. The index does not merge by itself (migration 0029): it would do it
 * for 50 ms at once.
 */
const MERGED_PAGES = 32;

/** A place in the order in which conversations are indexed: by user, the last changed one last. */
export interface IndexPlace {
  readonly userId: string;
  readonly updatedAtMs: number;
  readonly id: string;
}

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

interface Adder {
  message(userId: string, messageId: string, words: string): void;
  /** In the place of the one before. */
  title(userId: string, conversationId: string, title: string): void;
}

interface Unsearched extends IndexPlace {
  readonly title: string;
  readonly searchedTo: number;
}

type FoundRow = Omit<Found, 'content'> & { readonly content: Uint8Array | null };

export type SearchStore = ReturnType<typeof searchStore>;

/** Adds to the index, in the transaction of the caller. */
export function searchIndex({ $client }: Db) {
  const owner = $client.prepare<{ number: number; entries: number }, [userId: string]>(
    `INSERT INTO search_owners (user_id) VALUES (?)
      ON CONFLICT (user_id) DO UPDATE SET entries = entries RETURNING number, entries`,
  );
  const counted = $client.prepare<never, [entries: number, userId: string]>(
    'UPDATE search_owners SET entries = ? WHERE user_id = ?',
  );
  const entry = $client.prepare<never, [id: number, messageId: string | null, conversationId: string | null]>(
    'INSERT INTO search_entries (id, message_id, conversation_id) VALUES (?, ?, ?)',
  );
  const text = $client.prepare<never, [id: number, text: string]>(
    'INSERT INTO search_index (rowid, text) VALUES (?, ?)',
  );
  const untitled = $client.prepare<never, [conversationId: string]>(
    'DELETE FROM search_entries WHERE conversation_id = ?',
  );
  const merge = $client.prepare<never, []>(
    `INSERT INTO search_index (search_index, rank) VALUES ('merge', ${MERGED_PAGES})`,
  );

  /** Entries of some users, added in their order. How many there are is written at the end: for each it would cost as much as it. */
  return function adding(work: (add: Adder) => void): void {
    const owners = new Map<string, { number: number; entries: number }>();
    work({
      message: (userId, messageId, words) => add(userId, { messageId }, words),
      title(userId, conversationId, title) {
        untitled.run(conversationId);
        add(userId, { conversationId }, plain(title));
      },
    });
    for (const [userId, { entries }] of owners) counted.run(entries, userId);
    if (owners.size > 0) merge.run();

    function add(userId: string, of: { messageId?: string; conversationId?: string }, words: string): void {
      const at = owners.get(userId) ?? owner.get(userId);
      if (!at) return;
      owners.set(userId, at);
      at.entries += 1;
      const id = at.number * ENTRIES_MAX + at.entries;
      entry.run(id, of.messageId ?? null, of.conversationId ?? null);
      text.run(id, words);
    }
  };
}

export function searchStore(db: Db) {
  const { $client } = db;
  const write = groupedWrites(db);
  const adding = searchIndex(db);
  /** The beginning of a message, and behind its text the names of its files. */
  const firstBytes = (message: string) =>
    `substr(CAST(${message}.content || ifnull((SELECT char(10) || group_concat(name, char(10)) FROM attachments
      WHERE message_id = ${message}.id AND ${message}.role = 'user'), '') AS BLOB), 1, ${3 * SEARCHED_LENGTH_MAX})`;
  const unsearched = $client.prepare<Unsearched, [string, number, string]>(
    `SELECT id, user_id AS userId, updated_at_ms AS updatedAtMs, title, searched_to AS searchedTo FROM conversations
        INDEXED BY conversations_unsearched
      WHERE searched_to < last_position AND expires_at_ms IS NULL AND (user_id, updated_at_ms, id) > (?, ?, ?)
      ORDER BY user_id, updated_at_ms, id LIMIT 1`,
  );
  const next = $client.prepare<
    { id: string; position: number; status: string; content: Uint8Array | null },
    [string, number]
  >(
    `SELECT id, position, status, ${firstBytes('messages')} AS content FROM messages
      WHERE conversation_id = ${TEXT_PARAMETER} AND position > ? ORDER BY position LIMIT 1`,
  );
  const searchedTo = $client.prepare<never, [position: number | null, id: string]>(
    'UPDATE conversations SET searched_to = ifnull(?, last_position) WHERE id = ?',
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

  /** @returns whether all is indexed that can be now; an answer that is being written comes when it has ended. */
  function indexConversation(
    add: Adder,
    { id, userId, title, searchedTo: from }: Unsearched,
    untilMs: number,
  ): boolean {
    let position = from;
    let message = next.get(id, position);
    for (; message && message.status !== 'streaming'; message = next.get(id, position)) {
      const words = plain(decode(message.content));
      // A title that is the beginning of the first message is found there.
      if (position === 0 && !words.startsWith(plain(title).trimEnd())) add.title(userId, id, title);
      add.message(userId, message.id, words);
      ({ position } = message);
      if (performance.now() >= untilMs) break;
    }
    if (!message || position > from) searchedTo.run(message ? position : null, id);
    return !message || message.status === 'streaming';
  }

  return {
    /**
     * Indexes some of what is not indexed yet.
     * @param after where the step before this one came to.
     * @param ofUser only what this user has.
     * @returns where this one came to, or undefined when there is nothing after it.
     */
    async indexSome(after?: IndexPlace, ofUser?: string): Promise<IndexPlace | undefined> {
      return write(() => {
        const untilMs = performance.now() + STEP_MS;
        let place: IndexPlace | undefined = after ?? { userId: ofUser ?? '', updatedAtMs: 0, id: '' };
        adding((add) => {
          while (place && performance.now() < untilMs) {
            const conversation = unsearched.get(place.userId, place.updatedAtMs, place.id);
            const isOver = !conversation || (ofUser !== undefined && conversation.userId !== ofUser);
            if (!isOver && !indexConversation(add, conversation, untilMs)) break;
            place = isOver ? undefined : conversation;
          }
        });
        return place;
      });
    },

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

/** Text that may be cut in the middle of a character. An empty one is null: bytes that there are none of. */
function decode(bytes: Uint8Array | null): string {
  if (!bytes) return '';
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true }).slice(0, SEARCHED_LENGTH_MAX);
}
