/**
 * Reads the data root of the first agent-stack: `router.db`, and the homes in `users/<slug>/`. The database is copied to a
 * temporary folder and the copy is opened, so that nothing is written into the old data root, not even a journal.
 */
import { Database as Sqlite } from 'bun:sqlite';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ImportError } from './report';

/** Times are in seconds since the epoch. */
export interface OldUser {
  readonly id: string;
  readonly email: string;
  readonly name: string | null;
  readonly slug: string;
  readonly pw_hash: string;
  readonly role: string;
  readonly created_at: number;
}

export interface OldAgent {
  readonly id: string;
  readonly user_id: string;
  readonly backend: string;
  readonly name: string;
  readonly model: string;
  readonly ordinal: number;
  readonly created_at: number;
  readonly updated_at: number;
}

export interface OldConversation {
  readonly id: string;
  readonly user_id: string;
  readonly backend: string;
  readonly model: string | null;
  readonly title: string | null;
  /** Empty for a conversation from before there were agents. */
  readonly agent_id: string;
  readonly created_at: number;
  readonly updated_at: number;
}

export interface OldMessage {
  readonly id: string;
  readonly role: string;
  readonly content: string;
  readonly created_at: number;
}

/** A user's value of a variable. */
interface OldValue {
  readonly user_id: string;
  /** Empty: for all backends. */
  readonly backend_name: string;
  readonly env_var: string;
  readonly value: string;
  readonly updated_at: number;
}

export type Source = ReturnType<typeof openSource>;

/** Opens the data root. Throws an `ImportError` for a folder that is none of the first agent-stack. */
export function openSource(root: string) {
  const original = join(root, 'router.db');
  if (!existsSync(original))
    throw new ImportError(`${original} does not exist. Give the data root of the first agent-stack.`);
  const folder = mkdtempSync(join(tmpdir(), 'agent-stack-import-'));
  const path = join(folder, 'router.db');
  for (const suffix of ['', '-wal']) {
    if (existsSync(original + suffix)) copyFileSync(original + suffix, path + suffix);
  }
  const close = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    return { root, ...readers(new Sqlite(path, { strict: true }), original, close) };
  } catch (error) {
    close();
    throw error;
  }
}

function readers(db: Sqlite, original: string, removeCopy: () => void) {
  const columnsOf = (table: string): ReadonlySet<string> =>
    new Set(
      db
        .query<{ name: string }, [string]>('SELECT name FROM pragma_table_info(?)')
        .all(table)
        .map(({ name }) => name),
    );
  if (!hasUsers()) throw new ImportError(`${original} is not a database of the first agent-stack.`);

  function hasUsers(): boolean {
    try {
      return columnsOf('users').has('pw_hash');
    } catch (cause) {
      throw new ImportError(`${original} cannot be read: ${cause instanceof Error ? cause.message : cause}.`, {
        cause,
      });
    }
  }

  /** All rows of a table in the order of their time; none where the table is missing, as in an older version. */
  function all<Row>(table: string, time: string): readonly Row[] {
    const columns = columnsOf(table);
    if (columns.size === 0) return [];
    return db.query<Row, []>(`SELECT * FROM "${table}" ORDER BY ${columns.has(time) ? `"${time}", ` : ''}rowid`).all();
  }

  const messages = db.query<OldMessage, [string]>(
    // Ids are random, and the first agent-stack counted time in seconds: the row's number is the order of writing.
    `SELECT id, role, CAST(ifnull(content, '') AS TEXT) AS content, ifnull(created_at, 0) AS created_at FROM messages
      WHERE conversation_id = ? ORDER BY created_at, rowid`,
  );
  return {
    users: (): readonly OldUser[] => all<OldUser>('users', 'created_at'),
    agents: (): readonly OldAgent[] => all<OldAgent>('agents', 'created_at'),
    conversations: (): readonly OldConversation[] =>
      all<OldConversation>('conversations', 'created_at').map((row) => ({ ...row, agent_id: row.agent_id ?? '' })),
    messages: (conversationId: string): Iterable<OldMessage> => messages.iterate(conversationId),
    values: (): readonly OldValue[] =>
      all<OldValue>('user_env_overrides', 'updated_at').map((row) => ({
        ...row,
        backend_name: row.backend_name ?? '',
      })),
    sharedVariables: (): readonly { env_var: string; shared: number; updated_at: number }[] =>
      all('admin_shared_env', 'updated_at'),
    idleTimes: (): readonly { user_id: string; backend: string; idle_seconds: number }[] =>
      all('user_backend_prefs', 'user_id'),
    runners: (): readonly { container_name: string }[] => all('runners', 'started_at'),
    /** Rooms with their members and messages, each as it is stored. */
    rooms: () =>
      all<{ id: string; title: string }>('rooms', 'created_at').map((room) => ({
        ...room,
        members: all<{ room_id: string }>('room_members', 'created_at').filter(({ room_id }) => room_id === room.id),
        messages: all<{ room_id: string }>('room_messages', 'created_at').filter(({ room_id }) => room_id === room.id),
      })),
    [Symbol.dispose]() {
      db.close();
      removeCopy();
    },
  };
}
