/** Conversations and their messages. Each function is one atomic step. */
import { and, eq, sql } from 'drizzle-orm';
import type { Db } from '../../database/database';
import { groupedWrites } from '../../database/grouped-writes';
import {
  conversations,
  type MessageFailure,
  type messages,
  type Step,
  type ToolCall,
  type ToolResult,
} from '../../database/schema/chat';
import type { Soon } from '../../lib/lookup';
import { searchIndex } from '../search/store-index';
import { answersStore } from './answers';
import { deletingStore } from './deleting';
import { messagesStore, type Newest } from './messages';
import { shelvesStore } from './shelves';
import { shownStore } from './shown';
import { statements } from './statements';
import { treeStore } from './tree';
import { insertConversation } from './turns';

/** Without what only the store and the search index need to know. */
export type Conversation = Omit<typeof conversations.$inferSelect, 'searchedTo' | 'answeredTo'>;
/** A message with what its agent did for it. */
export type WholeMessage = typeof messages.$inferSelect;
/** Without the steps, which only pages show, and the data of a callback, which only programs read. */
export type Message = Omit<WholeMessage, 'steps' | 'extra'>;
export type MessageStatus = Message['status'];
export type { MessageFailure, Step, ToolCall, ToolResult };

/** A few milliseconds' worth, so that nobody waits for it. */
const RENEWED_AT_ONCE = 500;

export type ConversationsStore = ReturnType<typeof conversationsStore>;

export function conversationsStore(db: Db) {
  const write = groupedWrites(db);
  const run = statements(db);
  const indexing = searchIndex(db.$client);

  return {
    ...answersStore(write, run),
    ...deletingStore(db, write),
    ...messagesStore(db, run),
    ...shelvesStore(db, write, run),
    ...shownStore(db),
    ...treeStore(db),
    async find(id: string): Promise<Conversation | undefined> {
      return run.find.get(id) ?? undefined;
    },
    /**
     * With its newest message that is no callback, unless that is known to be an answer that ended well. Before every recorded
     * turn, so it is not waited for.
     */
    findWithNewest(id: string): Soon<{ conversation: Conversation; newest: Newest | undefined } | undefined> {
      const conversation = run.find.get(id);
      if (!conversation) return undefined;
      const isAnswered = conversation.answeredTo === conversation.lastPosition;
      return { conversation, newest: isAnswered ? undefined : (run.newest.get(id) ?? undefined) };
    },
    async insert(conversation: Conversation): Promise<void> {
      await write(() => insertConversation(run, conversation));
    },
    /** Gives the conversations of an agent new runtime sessions, some at a time. */
    async renewSessions(agentId: string): Promise<void> {
      for (let after: number | undefined = 0; after !== undefined; ) {
        const from: number = after;
        const rows = await write((tx) =>
          tx.all<{ rowid: number }>(sql`UPDATE conversations SET session_from = last_position WHERE rowid IN
            (SELECT rowid FROM conversations WHERE agent_id = ${agentId} AND rowid > ${from} ORDER BY rowid LIMIT ${RENEWED_AT_ONCE})
            RETURNING rowid`),
        );
        after = rows.length < RENEWED_AT_ONCE ? undefined : Math.max(...rows.map(({ rowid }) => rowid));
      }
    },
    /** @param updatedAtMs when that counts as a change of the conversation, which places it in its list. */
    async rename(id: string, title: string, updatedAtMs?: number): Promise<void> {
      await write((tx) => {
        // A member that is undefined is not set.
        const renamed = tx.update(conversations).set({ title, updatedAtMs });
        const row = renamed.where(eq(conversations.id, id)).returning().get();
        if (row?.expiresAtMs === null) indexing((add) => add.title(row.userId, id, title));
      });
    },
    /** Renames a conversation that still has a title. @returns whether it had. */
    async retitle(id: string, from: string, title: string): Promise<boolean> {
      return write((tx) => {
        const there = and(eq(conversations.id, id), eq(conversations.title, from));
        const row = tx.update(conversations).set({ title }).where(there).returning().get();
        if (row?.expiresAtMs === null) indexing((add) => add.title(row.userId, id, title));
        return row !== undefined;
      });
    },
    async markRead(id: string): Promise<void> {
      await write((tx) => void tx.update(conversations).set({ isUnread: false }).where(eq(conversations.id, id)).run());
    },
  };
}
