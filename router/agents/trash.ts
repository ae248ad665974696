/** Deletes the homes of deleted agents (`quarantineHome`) when their time is over. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runnersLog } from '../lib/log';
import { hasCode } from './safe-folder';

/** `<agent's id>-<UTC time>`, as `quarantineHome` names them. */
const NAME = /-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)\d{3}Z$/;

/**
 * Deletes what was moved to the trash before `beforeMs`. Follows no link. What the router may not delete stays, and the log
 * says where.
 * @param beforeMs in milliseconds since the epoch.
 */
export async function emptyTrash(homesRoot: string, beforeMs: number): Promise<void> {
  const trash = join(homesRoot, '.trash');
  for (const name of await namesIn(trash)) {
    const [, ...parts] = NAME.exec(name) ?? [];
    if (parts.length === 0) continue;
    const [year = 0, month = 1, day, hour, minute, second] = parts.map(Number);
    if (Date.UTC(year, month - 1, day, hour, minute, second) >= beforeMs) continue;
    const path = join(trash, name);
    await rm(path, { recursive: true, force: true }).then(
      () => runnersLog.info({ path }, 'home.deleted'),
      (error: unknown) => runnersLog.warn({ path, err: error }, 'home.left'),
    );
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
