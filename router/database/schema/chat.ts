/** Tables of conversations and messages. */
import { sql } from 'drizzle-orm';
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';
import { userColumn } from './accounts';
import { agentColumn } from './agents';

export const conversations = sqliteTable(
  'conversations',
  {
    id: text().primaryKey(),
    userId: userColumn(),
    agentId: agentColumn(),
    title: text().notNull(),
    /** The model that a client of the API has given it. Only that client uses it. Empty: none. */
    model: text().notNull().default(''),
    createdAtMs: integer('created_at_ms').notNull(),
    updatedAtMs: integer('updated_at_ms').notNull(),
    /** Position of the newest message. It never shrinks, so that no position is used twice. */
    lastPosition: integer('last_position').notNull(),
    /**
     * The runtime session contains the messages after this position. Its name contains the position
     * (`runtimeSessionName`).
     */
    sessionFrom: integer('session_from').notNull().default(0),
    /** When a conversation that keeps a program's answers unasked is deleted. Null: it stays until somebody deletes it. */
    expiresAtMs: integer('expires_at_ms'),
    /** The search index has the messages up to this position (`chat/search/store.ts`). */
    searchedTo: integer('searched_to').notNull().default(0),
    /** Position of the message that the next one follows, where newer ones are hidden. Null: the newest. */
    goesOnFrom: integer('goes_on_from'),
    /** Where its owner keeps it. A deleted one can be brought back until it expires, and until then is not found. */
    shelf: text({ enum: ['list', 'pinned', 'archived', 'deleted'] })
      .notNull()
      .default('list'),
    /**
     * Where this is `lastPosition`, the newest message is an answer that ended well, and need not be read to know that. A turn
     * that is stored with its answer writes it; what is added later only raises `lastPosition`, what goes elsewhere writes 0.
     */
    answeredTo: integer('answered_to').notNull().default(0),
    /** An answer has ended while no page showed the conversation, and none has since. */
    isUnread: integer('is_unread', { mode: 'boolean' }).notNull().default(false),
  },
  (table) => [
    // The list of those that stay, in its order: a program's conversations, which expire, may be many more.
    index('conversations_by_user').on(table.userId, table.shelf, table.expiresAtMs, table.updatedAtMs, table.id),
    index('conversations_by_agent').on(table.agentId),
    // In the order of creation. No turn writes this index, because a turn changes none of its columns.
    index('conversations_numbered')
      .on(table.agentId, table.createdAtMs, table.id, table.expiresAtMs)
      .where(sql`expires_at_ms IS NULL`),
    // Finds the conversation for a callback that names none.
    index('conversations_newest_of_agent')
      .on(table.agentId, table.updatedAtMs, table.id)
      .where(sql`shelf IN ('list', 'pinned') AND expires_at_ms IS NULL`),
    index('conversations_by_expiry').on(table.expiresAtMs),
    // Finds the conversations that the search index does not have in full. No turn writes it for one that is in it.
    index('conversations_unsearched')
      .on(table.userId, table.id)
      .where(sql`searched_to < last_position AND expires_at_ms IS NULL`),
  ],
);

export interface MessageFailure {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** A tool call in an answer, to a tool of the client. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** The client's namespace, if the tool is a member of one. */
  readonly namespace?: string;
  /** JSON text; incomplete when the answer broke off. */
  readonly arguments: string;
  /** Number of characters of the answer's text before the call. */
  readonly textLengthBefore: number;
  /** Members that nobody here knows, and that the model wants back with the call. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/** The output of the client's tool for a call. */
export interface ToolResult {
  readonly callId: string;
  readonly output: string;
}

/** What an agent did for an answer beside its text: it thought, or called one of its own tools. Times are in milliseconds. */
export type Step =
  | {
      readonly kind: 'thought';
      readonly text: string;
      /** Absent while it thinks, and where the answer broke off. */
      readonly tookMs?: number;
      /** The thought stood in tags at the beginning of the answer's text. */
      readonly isTagged?: true;
      /** Number of characters of the answer's text before it, and of calls of the client's tools; absent for none. */
      readonly textLengthBefore?: number;
      readonly callsBefore?: number;
    }
  | {
      readonly kind: 'tool';
      readonly name: string;
      /** JSON, or what the runtime says of the call; empty where it says nothing. */
      readonly arguments: string;
      readonly result?: string;
      readonly isEnded?: true;
      readonly isFailed?: true;
      readonly tookMs?: number;
    };

export const messages = sqliteTable(
  'messages',
  {
    id: text().primaryKey(),
    conversationId: text('conversation_id')
      .notNull()
      .references(() => conversations.id, { onDelete: 'cascade' }),
    /** Strict order of the messages in a conversation (law 18). */
    position: integer().notNull(),
    role: text({ enum: ['user', 'assistant', 'notice'] }).notNull(),
    /** The text, or the beginning of one that goes on in `message_pieces`. */
    content: text().notNull(),
    /** An answer's id is the id of its generation, which ends in exactly one of done, stopped, failed (law 19). */
    status: text({ enum: ['streaming', 'done', 'stopped', 'failed'] }).notNull(),
    failure: text({ mode: 'json' }).$type<MessageFailure>(),
    /** Tool calls of an answer that has ended. */
    calls: text({ mode: 'json' }).$type<readonly ToolCall[]>(),
    /** Tool results of earlier answers, which the client sent together with this message or for this answer. */
    results: text({ mode: 'json' }).$type<readonly ToolResult[]>(),
    createdAtMs: integer('created_at_ms').notNull(),
    endedAtMs: integer('ended_at_ms'),
    /** What the agent did for an answer, in order. Shown to people; thoughts are also told to a backend that names a member for them. */
    steps: text({ mode: 'json' }).$type<readonly Step[]>(),
    /** Position of the message that this one follows, 0 for none. Null: it follows the one before it. */
    parent: integer(),
    /** Another variant is shown. The messages that are not hidden are one path through the tree (`chat/store/tree.ts`). */
    isHidden: integer('is_hidden', { mode: 'boolean' }).notNull().default(false),
    /**
     * Of a callback, which an agent sent without being asked: the agent's id with the id that the agent gave it, or that
     * of the message. All notices are callbacks. Null: the message is part of a turn.
     */
    callbackId: text('callback_id'),
    /** Data that an agent sent with a callback, for programs. */
    extra: text({ mode: 'json' }).$type<Readonly<Record<string, unknown>>>(),
    /** Why the model ended an answer that is done before it was whole: at a limit of tokens, or by a filter. */
    incomplete: text({ enum: ['length', 'content_filter'] }),
  },
  (table) => [
    uniqueIndex('messages_by_position').on(table.conversationId, table.position),
    // Counts hidden messages. Shown ones are found by position: the head of each row says whether it is hidden.
    index('messages_hidden').on(table.conversationId, table.position).where(sql`is_hidden = 1`),
    index('messages_branching').on(table.conversationId, table.parent, table.position).where(sql`parent IS NOT NULL`),
    index('messages_by_callback').on(table.callbackId).where(sql`callback_id IS NOT NULL`),
    // At most one answer is being written in a conversation.
    uniqueIndex('messages_streaming').on(table.conversationId).where(sql`status = 'streaming'`),
  ],
);

/**
 * The text of an answer that does not stand in its row: all of it while the answer grows, and what comes behind the
 * row's `content` in a long one. To write a row takes time with its length, so a long text is never one row.
 */
export const messagePieces = sqliteTable(
  'message_pieces',
  {
    messageId: text('message_id')
      .notNull()
      .references(() => messages.id, { onDelete: 'cascade' }),
    /** 0, 1, … in the order of the text. */
    ordinal: integer().notNull(),
    content: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.messageId, table.ordinal] })],
);
