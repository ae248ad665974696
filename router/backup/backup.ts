/**
 * A backup: a folder named after the time, with a copy of the database, and the homes and the attached files as tar files.
 * Keys are not in it. It is made while the router runs: first the database, as it is at one moment, then the files, so that
 * every file that the copy of the database names is there.
 */

import { constants, existsSync, statSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { BACKUP_DATABASE, copyDatabase, damageOf, forgetRunners, newBackupFolder } from '../database/backup-folders';
import { checkDatabase, databaseError } from '../database/checks';
import { lockDatabase } from '../database/database';
import { hasCode } from '../lib/system-errors';
import { isVacant, pack, unpack } from './archive';
import { BackupError } from './backup-error';

/** Where the parts of an installation are. All paths are absolute. */
export interface Places {
  readonly databasePath: string;
  readonly homesRoot: string;
  readonly attachmentsRoot: string;
}

/** The parts that are folders: name of the tar file in a backup → its folder. */
const folders = ({ homesRoot, attachmentsRoot }: Places) =>
  [
    // First: a file whose last row is deleted stays for an hour.
    ['attachments.tar', attachmentsRoot],
    ['homes.tar', homesRoot],
  ] as const;

/**
 * Makes a backup in a new folder below `root` and returns the folder. Blocks the calling thread while the database is
 * copied. Throws `BackupError` or `DatabaseError`.
 */
export async function makeBackup(places: Places, root: string): Promise<string> {
  const { databasePath } = places;
  if (!existsSync(databasePath))
    throw new BackupError(`There is no database ${databasePath}, so there is nothing to back up.`);
  try {
    checkDatabase(databasePath);
    using folder = folderBelow(root);
    copyDatabase(databasePath, join(folder.path, BACKUP_DATABASE));
    for (const [file, from] of folders(places)) {
      if (!isVacant(from)) await pack(from, join(folder.path, file));
    }
    return folder.finish();
  } catch (error) {
    throw hasNoRoom(error) ? noRoom(root) : databaseError(databasePath, error);
  }
}

function folderBelow(root: string) {
  try {
    return newBackupFolder(root);
  } catch (error) {
    if (hasNoRoom(error)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    const remedy = "Give the folder to the router's user, or set BACKUP_ROOT to another.";
    throw new BackupError(`No backup can be made in ${root}: ${why}. ${remedy}`, { cause: error });
  }
}

/**
 * Puts the backup at `folder` in place, or nothing of it: when a part cannot be, what was written is removed again, or the
 * error names what could not be removed. Throws `BackupError`, before anything is written, when a part of it would replace
 * something, or when the copy of the database is damaged or of a newer version; `InUseError` while a router runs.
 * @returns The paths that were written.
 */
export async function restoreBackup(folder: string, places: Places): Promise<readonly string[]> {
  const { databasePath } = places;
  const copy = join(folder, BACKUP_DATABASE);
  if (!existsSync(copy)) throw new BackupError(`${folder} is not a backup: it has no ${BACKUP_DATABASE}.`);
  const parts = folders(places).filter(([file]) => existsSync(join(folder, file)));
  const inTheWay = [
    ...[databasePath, `${databasePath}-wal`].filter((path) => existsSync(path) && statSync(path).size > 0),
    ...parts.map(([, to]) => to).filter((to) => !isVacant(to)),
  ];
  if (inTheWay.length > 0) {
    throw new BackupError(
      `Nothing was restored, because there is data at ${inTheWay.join(' and ')}. Stop the router, and move it away first.`,
    );
  }
  checkCopy(copy);
  using _lock = lockDatabase(databasePath);
  let into = dirname(databasePath);
  try {
    for (const [file, to] of parts) {
      into = to;
      await unpack(join(folder, file), to);
    }
    into = dirname(databasePath);
    // Last, so that no router starts on a part of a backup.
    await putDatabase(copy, databasePath);
  } catch (error) {
    throw notRestored(error, into, await emptyAll(parts.map(([, to]) => to)));
  }
  return [databasePath, ...parts.map(([, to]) => to)];
}

function checkCopy(copy: string): void {
  try {
    checkDatabase(copy);
    const damage = damageOf(copy);
    if (damage !== undefined) throw new BackupError(`${copy} is damaged: ${damage}. Restore another backup.`);
  } catch (error) {
    throw databaseError(copy, error);
  }
}

/** @returns those of the folders that could not be emptied. */
async function emptyAll(folders: readonly string[]): Promise<readonly string[]> {
  const left: string[] = [];
  for (const folder of folders) await empty(folder).catch(() => left.push(folder));
  return left;
}

/** The folder stays: it may be the root of a disk. */
async function empty(folder: string): Promise<void> {
  if (isVacant(folder)) return;
  await makeWritable(folder);
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
}

/** Agents keep folders in which not even their owner may remove a file, such as the module cache of Go. Follows no link. */
async function makeWritable(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const path = join(folder, entry.name);
    await chmod(path, 0o700);
    await makeWritable(path);
  }
}

/**
 * @param into the folder that was written to.
 * @param left folders in which a part of the backup still is.
 */
function notRestored(error: unknown, into: string, left: readonly string[]): BackupError {
  const why = error instanceof Error ? error.message : String(error);
  const said = hasNoRoom(error)
    ? `Nothing was restored, because there is no room for it in ${into}. Make room first.`
    : `Nothing was restored: ${why}. If the backup is damaged, restore another one.`;
  const rest = left.length === 0 ? '' : ` What was written is still in ${left.join(' and ')}: remove it first.`;
  return new BackupError(said + rest, { cause: error });
}

/** Copies the database under another name first, so that an interrupted copy is not taken for the database. */
async function putDatabase(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  const beside = join(dirname(to), `.${basename(to)}.restoring`);
  try {
    // Root restores for a router of another user, who can put a link there.
    await rm(beside, { force: true });
    await copyFile(from, beside, constants.COPYFILE_EXCL);
    await chmod(beside, 0o600);
    forgetRunners(beside);
    await rename(beside, to);
  } finally {
    await rm(beside, { force: true });
  }
}

/** In a copy, SQLite reports a full disk of the copy, which is not that of the database. */
function hasNoRoom(error: unknown): boolean {
  return hasCode(error, 'SQLITE_FULL', 'ENOSPC', 'EDQUOT');
}

function noRoom(root: string): BackupError {
  return new BackupError(
    `There is no room for a backup in ${root}. Make room, or set BACKUP_ROOT to a folder on another disk.`,
  );
}
