/** The trash of the homes, `<homesRoot>/.trash`: the homes of deleted agents, until their time is over. */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runnersLog } from '../lib/log';
import { hasCode } from '../lib/system-errors';
import { homePath } from './homes';

const trashOf = (homesRoot: string): string => join(homesRoot, '.trash');

/** `<agent's id>-<UTC time>`, such as `…-20261122T093000123Z`. */
const nameOf = (agentId: string, at: Date): string => `${agentId}-${at.toISOString().replace(/[-:.]/g, '')}`;
const NAME = /-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)\d{3}Z$/;

/** When a home was moved there, in milliseconds since the epoch; NaN for a name that is not ours. */
function movedAtMs(name: string): number {
  const [year = Number.NaN, month = 1, day, hour, minute, second] = (NAME.exec(name) ?? []).slice(1).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** Moves the home of an agent to the trash. @returns its new path; undefined when the agent has no home. */
export async function moveToTrash(homesRoot: string, agentId: string): Promise<string | undefined> {
  const home = homePath(homesRoot, agentId);
  const path = join(trashOf(homesRoot), nameOf(agentId, new Date()));
  try {
    await mkdir(trashOf(homesRoot), { recursive: true, mode: 0o700 });
    await rename(home, path);
    return path;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/**
 * Deletes what was moved to the trash before `beforeMs`. Follows no link. What the router may not delete stays, and the log
 * says where.
 * @param beforeMs in milliseconds since the epoch.
 */
export async function emptyTrash(homesRoot: string, beforeMs: number): Promise<void> {
  const names = await readdir(trashOf(homesRoot)).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  });
  for (const name of names.filter((one) => movedAtMs(one) < beforeMs)) {
    const path = join(trashOf(homesRoot), name);
    await rm(path, { recursive: true, force: true }).then(
      () => runnersLog.info({ path }, 'home.deleted'),
      (error: unknown) => runnersLog.warn({ path, err: error }, 'home.left'),
    );
  }
}
