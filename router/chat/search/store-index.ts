/**
 * Adds messages and titles to the full-text index, on the event loop and in a thread (index-worker.ts).
 *
 * Messages are indexed after they are stored, a few milliseconds at a time: a conversation knows up to which position it
 * is indexed, in the same row as its newest position, so that a crash loses nothing, and old databases are indexed the
 * same way as new messages are. What is deleted is gone from the index with it.
 */
import type { Database as Sqlite } from 'bun:sqlite';
import { TEXT_PARAMETER } from '../../database/parameters';
import { plain, SEARCHED_LENGTH_MAX } from '../../lib/search-text';

/** Entries of one user have ids from `number * ENTRIES_MAX` on, so that a search reads only them. */
export const ENTRIES_MAX = 2 ** 32;

interface StepSize {
  /** Milliseconds in which messages are added: the step has the lock for writing, and takes some more to commit. */
  readonly ms: number;
  /**
   * Pages of the index that are merged with each step. The index does not merge by itself (migration 0029): it would do it
   * for 50 ms at once.
   */
  readonly mergedPages: number;
}

/** On the event loop, where nothing else is done meanwhile. */
const STEP: StepSize = { ms: 3, mergedPages: 32 };

/** A place in the order in which conversations are indexed: by user, the newest one last. */
export interface IndexPlace {
  readonly userId: string;
  readonly id: string;
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

/** Adds to the index, in the transaction of the caller. */
export function searchIndex($client: Sqlite, mergedPages = STEP.mergedPages) {
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
    `INSERT INTO search_index (search_index, rank) VALUES ('merge', ${mergedPages})`,
  );

  /** Adds entries of some users in their order. Writes the number of entries once, at the end: each write costs as much as an entry. */
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

/**
 * Returns the function that indexes some of what is not indexed yet, in the transaction of the caller.
 * @see SearchStore.indexSome
 */
export function indexSteps($client: Sqlite, size = STEP) {
  const adding = searchIndex($client, size.mergedPages);
  const unsearched = $client.prepare<Unsearched, [userId: string, id: string]>(
    `SELECT id, user_id AS userId, title, searched_to AS searchedTo FROM conversations
        INDEXED BY conversations_unsearched
      WHERE searched_to < last_position AND expires_at_ms IS NULL AND (user_id, id) > (?, ?)
      ORDER BY user_id, id LIMIT 1`,
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

  return function step(after?: IndexPlace, ofUser?: string): IndexPlace | undefined {
    const untilMs = performance.now() + size.ms;
    let place: IndexPlace | undefined = after ?? { userId: ofUser ?? '', id: '' };
    adding((add) => {
      while (place && performance.now() < untilMs) {
        const conversation = unsearched.get(place.userId, place.id);
        const isOver = !conversation || (ofUser !== undefined && conversation.userId !== ofUser);
        if (!isOver && !indexConversation(add, conversation, untilMs)) break;
        place = isOver ? undefined : conversation;
      }
    });
    return place;
  };
}

/** The beginning of a message, and behind its text the names of its files. */
export const firstBytes = (message: string) =>
  `substr(CAST(${message}.content || ifnull((SELECT char(10) || group_concat(name, char(10)) FROM attachments
    WHERE message_id = ${message}.id AND ${message}.role = 'user'), '') AS BLOB), 1, ${3 * SEARCHED_LENGTH_MAX})`;

/** Decodes text that may be cut in the middle of a character. SQLite gives null for an empty text. */
export function decode(bytes: Uint8Array | null): string {
  if (!bytes) return '';
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true }).slice(0, SEARCHED_LENGTH_MAX);
}
