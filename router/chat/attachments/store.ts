/** The rows of attached files. Their contents are files (`attachments/blobs.ts`). */
import { and, asc, eq, inArray, isNull, lt, lte, notExists, sql } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { groupedWrites } from '../../database/grouped-writes';
import { attachments, looseBlobs } from '../../database/schema/attachments';
import { conversations } from '../../database/schema/chat';
import { newTimeId } from '../../lib/ids';
import { lazy } from '../../lib/lazy';

export type Attachment = typeof attachments.$inferSelect;
/** A file whose content is stored, before a row says whose it is. */
export type KeptFile = Pick<Attachment, 'hash' | 'name' | 'type' | 'bytes' | 'width' | 'height'> & {
  /** The id, if the caller has already passed it on. */
  readonly id?: string;
};
/** Whose a file is. */
export type AttachmentPlace = Pick<Attachment, 'userId' | 'conversationId' | 'messageId'>;

/** Rows that one statement deletes, so that it is quick. */
const AT_ONCE = 200;

export type AttachmentsStore = ReturnType<typeof attachmentsStore>;

/** Adds the files of a message behind those that it has, in the transaction of the caller. */
export function attaching({ $client }: Db) {
  const insert = $client.query<never, (string | number | null)[]>(
    `INSERT INTO attachments (id, user_id, conversation_id, message_id, ordinal, hash, name, type, bytes, width, height,
      created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  return (place: AttachmentPlace, files: readonly KeptFile[], nowMs: number, from = 0): void => {
    const { userId, conversationId, messageId } = place;
    for (const [index, file] of files.entries()) {
      const { id = newTimeId(), hash, name, type, bytes, width, height } = file;
      const ordinal = from + index;
      insert.run(id, userId, conversationId, messageId, ordinal, hash, name, type, bytes, width, height, nowMs);
    }
  };
}

/** Gives a file that waits to a message, in the transaction of the caller. */
export function binding({ $client }: Db) {
  return $client.query<never, [messageId: string, ordinal: number, id: string]>(
    'UPDATE attachments SET message_id = ?, ordinal = ? WHERE id = ? AND message_id IS NULL',
  );
}

/** Copies the files of a message to a copy of it, whose text then names the copies. In the transaction of the caller. */
export function copyingAttachments({ $client }: Db) {
  const idsOf = $client.query<{ readonly id: string }, [messageId: string]>(
    'SELECT id FROM attachments WHERE message_id = ?',
  );
  const copy = $client.query<never, [id: string, conversationId: string, messageId: string, fromId: string]>(
    `INSERT INTO attachments SELECT ?, user_id, ?, ?, ordinal, hash, name, type, bytes, width, height, created_at_ms
      FROM attachments WHERE id = ?`,
  );
  const rename = $client.query<never, [fromId: string, id: string, messageId: string]>(
    `UPDATE messages SET content = replace(content, '/api/attachments/' || ?, '/api/attachments/' || ?) WHERE id = ?`,
  );
  return (conversationId: string, messageId: string, fromMessageId: string): void => {
    for (const { id: fromId } of idsOf.all(fromMessageId)) {
      const id = newTimeId();
      copy.run(id, conversationId, messageId, fromId);
      rename.run(fromId, id, messageId);
    }
  };
}

export function attachmentsStore(db: Db) {
  const write = groupedWrites(db);
  const attach = attaching(db);
  const ofMessages = lazy(() =>
    db
      .select()
      .from(attachments)
      .where(sql`${attachments.messageId} IN (SELECT value FROM json_each(${sql.placeholder('ids')}))`)
      .orderBy(asc(attachments.messageId), asc(attachments.ordinal))
      .prepare(),
  );
  const isLoose = notExists(db.select({ one: sql`1` }).from(attachments).where(eq(attachments.hash, looseBlobs.hash)));

  return {
    /** A file in a conversation that is not deleted. */
    async find(id: string): Promise<Attachment | undefined> {
      const row = db
        .select({ attachment: attachments })
        .from(attachments)
        .innerJoin(conversations, eq(conversations.id, attachments.conversationId))
        .where(and(eq(attachments.id, id), sql`${conversations.shelf} <> 'deleted'`))
        .get();
      return row?.attachment;
    },

    /** The files of these messages, in the order of each message. */
    async ofMessages(messageIds: readonly string[]): Promise<readonly Attachment[]> {
      if (messageIds.length === 0) return [];
      return ofMessages().all({ ids: JSON.stringify(messageIds) });
    },

    /** Bytes of all files of a user. A content counts for each of them. */
    async bytesOf(userId: string): Promise<number> {
      const sum = sql<number>`ifnull(sum(${attachments.bytes}), 0)`;
      return db.select({ sum }).from(attachments).where(eq(attachments.userId, userId)).get()?.sum ?? 0;
    },

    /** Stores files of a message, which may itself not be stored yet. */
    async insert(place: AttachmentPlace, files: readonly KeptFile[], nowMs: number, from?: number): Promise<void> {
      await write(() => attach(place, files, nowMs, from));
    },

    /**
     * Stores files for a message of a conversation that is stored later.
     * @param check gets the files that wait there, in the same transaction. If it throws, nothing is stored.
     */
    async insertWaiting(
      place: Pick<AttachmentPlace, 'userId' | 'conversationId'>,
      files: readonly KeptFile[],
      nowMs: number,
      check: (there: readonly Attachment[]) => void,
    ): Promise<void> {
      await write((tx) => {
        check(waitingIn(tx, place.conversationId));
        attach({ ...place, messageId: null }, files, nowMs);
      });
    },

    /** Deletes files that were uploaded before a time, and that no message has. */
    async deleteWaiting(beforeMs: number): Promise<void> {
      const due = db
        .select({ id: attachments.id })
        .from(attachments)
        .where(and(isNull(attachments.messageId), lt(attachments.createdAtMs, beforeMs)))
        .limit(AT_ONCE);
      await write((tx) => void tx.delete(attachments).where(inArray(attachments.id, due)).run());
    },

    /** Notes that a content may have no row from now on. */
    async loosen(hash: string, nowMs: number): Promise<void> {
      await write((tx) => {
        const since = { sinceMs: nowMs };
        tx.insert(looseBlobs)
          .values({ hash, ...since })
          .onConflictDoUpdate({ target: looseBlobs.hash, set: since })
          .run();
      });
    },

    /** Contents that have been loose since a time or longer. Dates those that the trigger has noted. */
    async looseSince(untilMs: number, nowMs: number): Promise<readonly string[]> {
      await write((tx) => void tx.update(looseBlobs).set({ sinceMs: nowMs }).where(eq(looseBlobs.sinceMs, 0)).run());
      const due = db.select().from(looseBlobs).where(lte(looseBlobs.sinceMs, untilMs)).limit(AT_ONCE).all();
      return due.map(({ hash }) => hash);
    },

    /**
     * Forgets a content that has been loose since a time.
     * @param remove called, without an await, for one that still has no row: its file is to be removed.
     */
    async forget(hash: string, untilMs: number, remove: (hash: string) => void): Promise<void> {
      await write((tx) => {
        const there = and(eq(looseBlobs.hash, hash), lte(looseBlobs.sinceMs, untilMs));
        if (tx.select().from(looseBlobs).where(and(there, isLoose)).get()) remove(hash);
        tx.delete(looseBlobs).where(there).run();
      });
    },

    /** The files that wait for their message in a conversation. */
    async waitingIn(conversationId: string): Promise<readonly Attachment[]> {
      return waitingIn(db, conversationId);
    },
  };
}

function waitingIn(db: Db, conversationId: string): readonly Attachment[] {
  const there = and(eq(attachments.conversationId, conversationId), isNull(attachments.messageId));
  return db.select().from(attachments).where(there).orderBy(attachments.id).all();
}
