/** Folders of backups, and the copy of the database that each of them has. */
import { Database as Sqlite } from 'bun:sqlite';
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { processLog } from '../lib/log';
import { DatabaseError } from './checks';

/** Name of the database in the folder of a backup. */
export const BACKUP_DATABASE = 'router.db';
/** Copies that are made before migrations: these many are kept. */
const BEFORE_MIGRATION_MAX = 2;

const UNFINISHED = '.new-';
/** No backup takes a day. */
const UNFINISHED_MS = 86_400_000;
const NAME = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z(-before-.+)?$/;

interface BackupFolder {
  readonly path: string;
  /** Milliseconds since the epoch. */
  readonly madeAtMs: number;
  /** A copy of the database alone. */
  readonly isBeforeMigration: boolean;
}

/** The finished backups below `root`, from the oldest to the newest. */
export function listBackups(root: string): readonly BackupFolder[] {
  const names = existsSync(root) ? readdirSync(root).sort() : [];
  return names.flatMap((name) => {
    const [, day, hour, minute, second, fraction, before] = NAME.exec(name) ?? [];
    if (day === undefined) return [];
    const madeAtMs = Date.parse(`${day}T${hour}:${minute}:${second}.${fraction}Z`);
    return [{ path: join(root, name), madeAtMs, isBeforeMigration: before !== undefined }];
  });
}

/** Removes all but the newest `kept` backups of a kind. */
export function pruneBackups(root: string, kept: number, { beforeMigrations = false } = {}): void {
  const backups = listBackups(root).filter(({ isBeforeMigration }) => isBeforeMigration === beforeMigrations);
  for (const { path } of backups.slice(0, -kept)) rmSync(path, { recursive: true, force: true });
}

/** Removes what interrupted backups left; not younger ones, which another process may be making. */
function removeUnfinished(root: string): void {
  for (const name of existsSync(root) ? readdirSync(root) : []) {
    const path = join(root, name);
    if (!name.startsWith(UNFINISHED) || statSync(path).mtimeMs > Date.now() - UNFINISHED_MS) continue;
    rmSync(path, { recursive: true, force: true });
  }
}

/**
 * A new folder for a backup; removes what interrupted ones have left. It gets its name with `finish`, so that a folder with
 * that name is complete. Without `finish` it is removed.
 */
export function newBackupFolder(root: string, suffix = '') {
  removeUnfinished(root);
  const stamp = new Date().toISOString().replace(/[:.]/g, '-');
  const path = join(root, `${UNFINISHED}${stamp}-${crypto.randomUUID()}`);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return {
    path,
    /** @returns The final path. */
    finish(): string {
      const final = join(root, stamp + suffix);
      renameSync(path, final);
      return final;
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/**
 * Copies the database into a new file, as it is at one moment, while others read and write it. Takes about 10 s for
 * each GB, during which the calling thread is blocked.
 */
export function copyDatabase(path: string, file: string): void {
  using sqlite = new Sqlite(path, { readonly: true });
  sqlite.query('VACUUM INTO ?').run(file);
  chmodSync(file, 0o600);
}

/**
 * Deletes the rows of runners from a copy that is restored. Runners that outlived the router work in the homes that were moved
 * away; the next start ends those that the database does not know.
 */
export function forgetRunners(path: string): void {
  using sqlite = new Sqlite(path);
  sqlite.run('DELETE FROM runners');
}

/** Reads the whole database. @returns the first damage that is found; undefined when there is none. */
export function damageOf(path: string): string | undefined {
  using sqlite = new Sqlite(path, { readonly: true });
  const { quick_check: result } = sqlite.query('PRAGMA quick_check(1)').get() as { quick_check: string };
  return result === 'ok' ? undefined : result;
}

/**
 * Copies a database that is about to be migrated. Throws a `DatabaseError` when that is impossible. Older copies that cannot be
 * removed only take room.
 * @returns The folder of the copy.
 */
export function backupBeforeMigration(databasePath: string, root: string, migration: string): string {
  const path = copyBelow(databasePath, root, `-before-${migration}`);
  try {
    pruneBackups(root, BEFORE_MIGRATION_MAX, { beforeMigrations: true });
  } catch (error) {
    processLog.warn({ problem: String(error) }, 'backup.kept');
  }
  return path;
}

function copyBelow(databasePath: string, root: string, suffix: string): string {
  try {
    using folder = newBackupFolder(root, suffix);
    copyDatabase(databasePath, join(folder.path, BACKUP_DATABASE));
    return folder.finish();
  } catch (error) {
    throw new DatabaseError(
      `The database could not be copied into ${root} before its migration, so it was not migrated (${String(error)}). ` +
        'Make room there, or set BACKUP_ROOT to a folder on another disk.',
      { cause: error },
    );
  }
}
