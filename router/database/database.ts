/** Opens the database file, applies migrations, and runs transactions. */

import { Database as Sqlite } from 'bun:sqlite';
import { chmodSync, mkdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type BunSQLiteDatabase, drizzle } from 'drizzle-orm/bun-sqlite';
import { migrate } from 'drizzle-orm/bun-sqlite/migrator';
import { repositoryRoot } from '../config/root';
import { processLog } from '../lib/log';
import { hasCode } from '../lib/system-errors';
import { backupBeforeMigration } from './backup-folders';
import { checkDatabase, DatabaseError, databaseError, isEmpty, missingMigrations, newestMigration } from './checks';
import * as schema from './schema';
import { hasSqliteCode, LOCK_WAIT_MS } from './transaction';

/** `$client` is for the few statements that every answer runs, which Drizzle would slow down. */
export type Db = BunSQLiteDatabase<typeof schema> & { readonly $client: Sqlite };

export interface Database {
  readonly db: Db;
  /** Throws when the database does not answer. */
  ping(): void;
  /** Writes a row and waits until it is on the disk. Throws what keeps the database from being written. */
  probeWrite(): void;
  /** Name of the newest migration, which is applied. */
  readonly migration: string;
  /** Pages in SQLite's log that are not in the file yet. 0 for `:memory:`, and where this SQLite cannot say it. */
  pagesInLog(): number;
  close(): void;
}

/**
 * 64 MB in pages of 4 KiB: the bound of the log. Checkpoints are made in a thread (checkpoints.ts), which does so at an eighth
 * of this. Where it cannot keep up, or where there is none as in a script, the connection makes one by itself at this size.
 */
const LOG_PAGES_MAX = 16_000;
/** A backup keeps the log from being begun anew while it copies the database. What it has grown to is given back after that. */
const LOG_FILE_BYTES_MAX = 67_108_864;
/** The same where nobody can ask how long the log is, so that the thread never has anything to do. */
const LOG_PAGES_MAX_UNASKED = 2_000;
/** Who writes much in parts goes on when the log is shorter than this. */
const LOG_PAGES_FULL = 12_000;
const [ROOM_TRY_MS, ROOM_TRIES_MAX] = [100, 50];

/** Thrown when another router uses the database. */
export class InUseError extends Error {
  override readonly name = 'InUseError';
}

/** Throws a `DatabaseError` when the folder is not there and cannot be made. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const remedy = "Give the folder above it to the router's user, or set STACK_DATA_ROOT to another folder";
    throw new DatabaseError(`The data folder ${path} cannot be made: ${why}. ${remedy}.`, { cause });
  }
}

/** How long a router waits for the lock of the router that it replaces. */
const TAKEOVER_MS = 5_000;

/**
 * Locks the data against a second router, which would end the answers of the first and take over its runners. It is a file
 * lock of the operating system, so that a crash releases it. Throws `InUseError` when another router holds the lock.
 */
export function lockDatabase(path: string): Disposable {
  makeFolder(dirname(path));
  let lock: Sqlite | undefined;
  try {
    lock = new Sqlite(`${path}.lock`, { create: true });
    lock.run(`PRAGMA busy_timeout = ${TAKEOVER_MS}`);
    lock.run('BEGIN EXCLUSIVE');
  } catch (cause) {
    lock?.close();
    if (!hasSqliteCode(cause, 'SQLITE_BUSY')) throw databaseError(path, cause);
    const message = `Another router uses ${path}. Stop it first, or give this one a STACK_DATA_ROOT of its own.`;
    throw new InUseError(message, { cause });
  }
  const held = lock;
  return { [Symbol.dispose]: () => held.close() };
}

/**
 * Opens the database and applies the missing migrations. Throws a `DatabaseError` when the file is of another program or
 * of a newer version, or cannot be used.
 * @param path a file, which is created with its folder if needed, or `:memory:`.
 * @param backupRoot folder of the copy that is made of a database with data before it is migrated.
 */
export function openDatabase(path: string, backupRoot = join(dirname(path), 'backups')): Database {
  if (path !== ':memory:') makeFolder(dirname(path));
  try {
    checkDatabase(path);
    return open(path, backupRoot);
  } catch (error) {
    throw databaseError(path, error);
  }
}

const PROBE =
  "INSERT INTO installation (name, value) VALUES ('written_at', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value";

function open(path: string, backupRoot: string): Database {
  const sqlite = new Sqlite(path, { create: true, strict: true });
  try {
    // Only the owner may read it, because it contains messages. SQLite gives its -wal and -shm files the same mode.
    if (path !== ':memory:') keepPrivate(path);
    sqlite.run('PRAGMA journal_mode = WAL');
    // With WAL a crash of the process loses nothing. A power cut may lose the last transactions, but does not corrupt the file.
    sqlite.run('PRAGMA synchronous = NORMAL');
    sqlite.run(`PRAGMA wal_autocheckpoint = ${canAsk(sqlite) ? LOG_PAGES_MAX : LOG_PAGES_MAX_UNASKED}`);
    sqlite.run(`PRAGMA journal_size_limit = ${LOG_FILE_BYTES_MAX}`);
    sqlite.run('PRAGMA foreign_keys = ON');
    sqlite.run(`PRAGMA busy_timeout = ${LOCK_WAIT_MS}`);
    const db = drizzle(sqlite, { schema });
    migrateLoudly(db, path, backupRoot);
    return {
      db,
      ping: () => void sqlite.query('SELECT 1').get(),
      probeWrite: () => probeWrite(sqlite, path),
      migration: newestMigration,
      pagesInLog: () => pagesInLog(sqlite),
      close: () => sqlite.close(),
    };
  } catch (error) {
    sqlite.close();
    throw error;
  }
}

/** The file of another user keeps its mode: whether it can be written, SQLite says. */
function keepPrivate(path: string): void {
  try {
    chmodSync(path, 0o600);
  } catch (error) {
    if (!hasCode(error, 'EPERM')) throw error;
  }
}

/**
 * Resolves when the log has room, for who writes much in parts: at its bound SQLite makes a checkpoint by itself, and the event
 * loop waits for the disk. Where nobody makes one, it is not waited for long.
 */
export async function roomInLog({ $client }: Db): Promise<void> {
  for (let tries = 0; tries < ROOM_TRIES_MAX && pagesInLog($client) > LOG_PAGES_FULL; tries += 1) {
    await Bun.sleep(ROOM_TRY_MS);
  }
}

/**
 * Whether a SQLite of this version says what is in its log without making a checkpoint. One before 3.51 does not know the
 * mode, and makes a checkpoint instead, which would wait for the disk on the event loop. Bun has a newer one, except on
 * macOS, where it loads the system's.
 */
export function saysPagesInLog(version: string): boolean {
  return Bun.semver.order(version, '3.51.0') >= 0;
}

const canAsk = (sqlite: Sqlite) =>
  saysPagesInLog((sqlite.query('SELECT sqlite_version() AS version').get() as { version: string }).version);

/** Asks without making a checkpoint. 0 where that is not possible. */
function pagesInLog(sqlite: Sqlite): number {
  if (!canAsk(sqlite)) return 0;
  const { log, checkpointed } = sqlite.query('PRAGMA wal_checkpoint(NOOP)').get() as Record<
    'log' | 'checkpointed',
    number
  >;
  return log - checkpointed;
}

/** SQLite says of every failed write that the disk failed. The system says of a file beside the database what it is. */
function probeWrite(sqlite: Sqlite, path: string): void {
  try {
    sqlite.query(PROBE).run(Date.now());
  } catch (cause) {
    if (hasSqliteCode(cause, 'SQLITE_IOERR') && isReadOnly(`${path}.probe`)) {
      throw Object.assign(new Error('The disk is read-only', { cause }), { code: 'SQLITE_READONLY' });
    }
    throw cause;
  }
}

function isReadOnly(path: string): boolean {
  try {
    writeFileSync(path, '');
    unlinkSync(path);
    return false;
  } catch (error) {
    return hasCode(error, 'EROFS');
  }
}

/** Measured on the slowest migration: 0008 adds up every call, 50 s for a database of 2.1 GB with 5,000,000 calls. */
const SECONDS_PER_GB = 25;

/**
 * Applies the missing migrations. Nothing listens until they are done, so for a database that has data the log says that
 * they have begun, how long they may take, where a copy from before is, and that they have ended.
 */
function migrateLoudly(db: Db, path: string, backupRoot: string): void {
  const missing = missingMigrations(db.$client);
  if (missing.length === 0 && !isEmpty(db.$client)) return;
  const startedMs = performance.now();
  const [next] = missing;
  if (next !== undefined) {
    const upToSeconds = Math.ceil((statSync(path).size / 1e9) * SECONDS_PER_GB);
    processLog.info({ migrations: missing, upToSeconds }, 'database.migrating');
    const backup = path === ':memory:' ? undefined : backupBeforeMigration(path, backupRoot, next);
    processLog.info({ backup }, 'database.copied');
  }
  migrate(db, { migrationsFolder: join(repositoryRoot, 'router/database/migrations') });
  if (missing.length > 0) {
    processLog.info({ totalMs: Math.round(performance.now() - startedMs) }, 'database.migrated');
  }
}

/** Whether `thrown` says that a unique constraint was violated. */
export function isUniqueViolation(thrown: unknown): boolean {
  return hasSqliteCode(thrown, 'SQLITE_CONSTRAINT');
}

/** Whether `thrown` says that a row refers to one that does not exist, or is still referred to. */
export function isForeignKeyViolation(thrown: unknown): boolean {
  return hasSqliteCode(thrown, 'SQLITE_CONSTRAINT_FOREIGNKEY');
}
