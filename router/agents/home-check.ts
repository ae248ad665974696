/** Checks whether homes can be created by creating one, so that the fault is known before a start fails. */
import { mkdir, realpath, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Backend } from '../backends/backends';
import { steadyMs, within } from '../lib/time';
import { HomeError, homeFault } from './home-faults';
import { Folder, type Owner } from './safe-folder';

/** With less free space, the files of one start may not fit. */
const FREE_BYTES_MIN = 16_777_216;
const FILE_BYTES = 4_096;
/** Anybody may call `/healthz`, as often as they want. */
const KEPT_MS = 5_000;
/** A network disk may not answer at all. */
const ANSWER_MS = 2_000;

/** The owners of the homes of these backends. */
export function homeOwners(backends: readonly Backend[]): readonly Owner[] {
  const owners = backends.flatMap(({ disabled, homeOwner }) => (disabled ? [] : (homeOwner ?? [])));
  return [...new Map(owners.map((owner) => [`${owner.uid}:${owner.gid}`, owner])).values()];
}

/**
 * Creates a folder and a file like those of a home for each owner, and removes them. @returns The error, if there is
 * one.
 */
export async function checkHomes(homesRoot: string, owners: readonly Owner[]): Promise<HomeError | undefined> {
  const name = `.check-${crypto.randomUUID()}`;
  try {
    await mkdir(homesRoot, { recursive: true, mode: 0o700 });
    await using root = await Folder.open(await realpath(homesRoot));
    for (const owner of [undefined, ...owners]) {
      await using home = await root.enter(owner ? `${name}-${owner.uid}-${owner.gid}` : name, owner);
      await home.write('file', new Uint8Array(FILE_BYTES), { owner, isExecutable: false });
    }
    const { bavail, bsize } = await statfs(homesRoot);
    if (bavail * bsize < FREE_BYTES_MIN) throw Object.assign(new Error('Almost no room is left.'), { code: 'ENOSPC' });
    return undefined;
  } catch (error) {
    const fault = homeFault(error);
    return fault instanceof HomeError ? fault : new HomeError([String(error), 'The log says what was refused.']);
  } finally {
    for (const owner of [undefined, ...owners]) {
      const folder = join(homesRoot, owner ? `${name}-${owner.uid}-${owner.gid}` : name);
      await rm(folder, { recursive: true, force: true }).catch(() => undefined);
    }
  }
}

export type HomesHealth = ReturnType<typeof homesHealth>;

export function homesHealth(deps: { homesRoot: string; backends: { all(): readonly Backend[] } }) {
  const silent = new HomeError([
    'the disk of the homes does not answer',
    'Check the system log for errors of the disk.',
  ]);
  let checking: Promise<HomeError | undefined> | undefined;
  let checkedAtMs = Number.NEGATIVE_INFINITY;

  return {
    /** Returns a sentence if homes cannot be created now. Never rejects. Checks at most every 5 s. */
    async problem(): Promise<string | undefined> {
      if (!checking || steadyMs() - checkedAtMs > KEPT_MS) {
        checkedAtMs = steadyMs();
        checking = checkHomes(deps.homesRoot, homeOwners(deps.backends.all()));
      }
      const answer = await within(
        ANSWER_MS,
        checking.then((fault) => ({ fault })),
      );
      const fault = answer ? answer.fault : silent;
      return fault && `Homes cannot be made ready: ${fault.message}.`;
    },
  };
}
