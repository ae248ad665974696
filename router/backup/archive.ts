/**
 * Folders as tar files, by the machine's own `tar`: it follows no link that an agent puts into its home while it is read,
 * and keeps owners, modes, links and times.
 */
import { existsSync, mkdirSync, readdirSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { BackupError } from './backup-error';

/** GNU tar's exit code for files that changed or vanished while they were read. */
const CHANGED_WHILE_READ = 1;
/** tar writes 10 KiB at a time. With less than this on the disk, that is why it has failed: its words for it differ by language. */
const FULL_BYTES = 1_048_576;

/** Writes all that is in `folder` into a new file. Throws a `BackupError`, or one with the code `ENOSPC`. */
export async function pack(folder: string, file: string): Promise<void> {
  // What the router itself keeps beside the homes: check files, and homes of deleted agents.
  const without = ['--exclude=./.check-*', '--exclude=./.trash'];
  const { exitCode, said } = await tar(['--create', '--file', file, ...without, '--directory', folder, '.']);
  if (exitCode > CHANGED_WHILE_READ) {
    throw failed(dirname(file), `${folder} could not be read completely: ${said}`);
  }
}

/**
 * Writes all that is in `file` into `folder`, which is created. As root, with the former owners. Throws a `BackupError`, or one
 * with the code `ENOSPC`.
 */
export async function unpack(file: string, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const how = ['--numeric-owner', '--preserve-permissions'];
  const { exitCode, said } = await tar(['--extract', ...how, '--file', file, '--directory', folder]);
  if (exitCode !== 0) throw failed(folder, `${file} could not be unpacked into ${folder}: ${said}`);
}

/** @param written a folder on the disk that was written to. */
function failed(written: string, message: string): Error {
  const { bavail, bsize } = statfsSync(written);
  if (bavail * bsize >= FULL_BYTES) return new BackupError(message);
  return Object.assign(new Error(message), { code: 'ENOSPC' });
}

/** Whether there is nothing to overwrite at this path. */
export function isVacant(folder: string): boolean {
  return !existsSync(folder) || readdirSync(folder).length === 0;
}

async function tar(args: readonly string[]): Promise<{ exitCode: number; said: string }> {
  if (Bun.which('tar') === null)
    throw new BackupError('The program tar is missing. Install it, for example: apt install tar');
  const child = Bun.spawn(['tar', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  const [said, exitCode] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  return { exitCode, said: said.trim().split('\n').slice(-3).join(' ') };
}
