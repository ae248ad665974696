/**
 * The files of a home, for its owner. The agent may have put anything there: paths are walked one name at a time without
 * following links (law 7), and everything that is read has a limit.
 */
import { mkdir, realpath } from 'node:fs/promises';
import { HomeError, homeFault } from '../agents/home-faults';
import { homePath } from '../agents/homes';
import { Folder, type FolderEntry, type OpenFile, type Owner, UnsafePathError } from '../agents/safe-folder';
import type { Agent } from '../agents/store';
import type { Backend } from '../backends/backends';
import { AppError } from '../lib/errors';
import { hasCode } from '../lib/system-errors';

/** Entries of one folder that are listed. */
const LISTED_MAX = 1_000;
/** Names in one path. Each folder of a path is open while the next one is looked up. */
const DEPTH_MAX = 64;
const NAME_BYTES_MAX = 255;
/** What a walk of a home looks at. */
const WALKED_MAX = 20_000;
const WALK_MS = 2_000;

/** A folder of a home. */
interface Listing {
  /** Folders first, then by name. */
  readonly entries: readonly FolderEntry[];
  /** How many more there are; undefined when there are too many to be counted. */
  readonly more: number | undefined;
}

/** What a walk has found; `isWhole`: it has seen everything. */
export interface HomeSize {
  readonly bytes: number;
  readonly files: number;
  readonly isWhole: boolean;
}

export type HomeFiles = ReturnType<typeof homeFiles>;

export function homeFiles({ homesRoot }: { homesRoot: string }) {
  /** Opens a folder of the home and closes it after `work`. @param owner of a home that does not exist yet. */
  async function within<T>(
    agent: Agent,
    path: readonly string[],
    work: (folder: Folder) => Promise<T>,
    owner?: { readonly of: Owner | undefined },
  ): Promise<T> {
    // `homePath` also refuses ids that are no plain names.
    homePath(homesRoot, agent.id);
    try {
      if (owner) await mkdir(homesRoot, { recursive: true, mode: 0o700 });
      await using opened = new AsyncDisposableStack();
      let folder = opened.use(await Folder.open(await realpath(homesRoot)));
      folder = opened.use(owner ? await folder.enter(agent.id, owner.of) : await folder.find(agent.id));
      for (const name of path) folder = opened.use(await folder.find(name));
      return await work(folder);
    } catch (error) {
      throw refusalOf(error);
    }
  }

  return {
    within,

    /** What is at a path; the home itself is a folder, also before its first start. Throws `not_found`. */
    async at(agent: Agent, path: readonly string[]): Promise<FolderEntry> {
      const name = path.at(-1);
      if (name === undefined) return { name: '', kind: 'folder', bytes: 0, changedAtMs: 0 };
      const entry = await within(agent, path.slice(0, -1), (folder) => folder.entry(name));
      if (!entry) throw notThere();
      return entry;
    },

    async list(agent: Agent, path: readonly string[]): Promise<Listing> {
      try {
        return await within(agent, path, listingOf);
      } catch (error) {
        // A home is made at the first start.
        if (path.length === 0 && error instanceof AppError && error.code === 'not_found')
          return { entries: [], more: 0 };
        throw error;
      }
    },

    /** Opens a file for reading; the caller closes it. Throws `not_found`, and `conflict` for what is not opened. */
    async open(agent: Agent, path: readonly string[]): Promise<OpenFile> {
      const name = path.at(-1);
      if (name === undefined) throw notThere();
      return within(agent, path.slice(0, -1), (folder) => folder.openFile(name));
    },

    /**
     * Writes files into a folder, all or none as far as names are concerned. Throws `conflict` when a name is taken and
     * `isReplacing` is false, or taken by a folder.
     */
    async put(
      agent: Agent,
      backend: Backend,
      path: readonly string[],
      upload: { readonly files: readonly { name: string; bytes: Uint8Array }[]; readonly isReplacing: boolean },
    ): Promise<void> {
      const owner = backend.homeOwner;
      const work = async (folder: Folder) => {
        for (const { name } of upload.files) {
          requireName(name);
          const there = await folder.entry(name);
          if (there && (!upload.isReplacing || there.kind === 'folder')) throw taken(name);
        }
        for (const { name, bytes } of upload.files) await folder.write(name, bytes, { owner, isExecutable: false });
      };
      await within(agent, path, work, { of: owner });
    },

    /** Adds up the files of a folder, as far as a walk may go. */
    async size(agent: Agent, path: readonly string[]): Promise<HomeSize> {
      const found = { bytes: 0, files: 0, isWhole: true };
      const untilMs = performance.now() + WALK_MS;
      let seen = 0;
      const walk = async (folder: Folder, depth: number): Promise<void> => {
        const names = await folder.names();
        if (!names || depth > DEPTH_MAX) found.isWhole = false;
        for (const name of names ?? []) {
          seen += 1;
          if (seen > WALKED_MAX || performance.now() > untilMs) found.isWhole = false;
          if (!found.isWhole) return;
          const entry = await folder.entry(name);
          if (entry?.kind === 'file') {
            found.bytes += entry.bytes;
            found.files += 1;
          }
          if (entry?.kind === 'folder') await inFolder(folder, name, (inner) => walk(inner, depth + 1));
        }
      };
      await within(agent, path, (folder) => walk(folder, path.length));
      return found;
    },
  };
}

/** For the walk of a home, `undefined` in place of an entry that is gone or of another kind by now, or may not be read. */
export function unreadable(error: unknown): undefined {
  if (error instanceof UnsafePathError || hasCode(error, 'ENOENT', 'EACCES', 'EPERM')) return undefined;
  throw error;
}

/** Does `work` in a folder, or nothing when it cannot be read. */
export async function inFolder(parent: Folder, name: string, work: (folder: Folder) => Promise<void>): Promise<void> {
  const found = await parent.find(name).catch(unreadable);
  if (!found) return;
  await using folder = found;
  await work(folder);
}

/** The names of a path below the home. Throws `invalid_request` for one that leads out of it. */
export function pathFrom(text: string | undefined): readonly string[] {
  const names = (text ?? '').split('/').filter((name) => name !== '');
  if (names.length > DEPTH_MAX) throw new AppError('invalid_request', { message: 'The path has too many folders.' });
  for (const name of names) requireName(name);
  return names;
}

function requireName(name: string): void {
  const isPlain = name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name);
  if (isPlain && Buffer.byteLength(name) <= NAME_BYTES_MAX) return;
  throw new AppError('invalid_request', { message: 'This is not the name of a file.' });
}

async function listingOf(folder: Folder): Promise<Listing> {
  const names = await folder.names();
  if (!names) return { entries: [], more: undefined };
  const entries: FolderEntry[] = [];
  for (const name of names.slice(0, LISTED_MAX)) {
    const entry = await folder.entry(name);
    if (entry) entries.push(entry);
  }
  const rank = ({ kind }: FolderEntry) => (kind === 'folder' ? 0 : 1);
  return {
    entries: entries.sort((a, b) => rank(a) - rank(b)),
    more: Math.max(0, names.length - LISTED_MAX),
  };
}

function refusalOf(error: unknown): unknown {
  if (error instanceof AppError) return error;
  if (error instanceof UnsafePathError) {
    // Its message names a path of this machine.
    const message = 'This is a link or a special file, which is not opened here.';
    return new AppError('conflict', { message, cause: error });
  }
  if (hasCode(error, 'ENOENT', 'ENOTDIR')) return notThere();
  if (hasCode(error, 'EACCES', 'EPERM')) {
    const message = 'The agent has closed this to everybody else, also to the router.';
    return new AppError('conflict', { message, cause: error });
  }
  const fault = homeFault(error);
  if (!(fault instanceof HomeError)) return error;
  return new AppError('conflict', { message: `This did not work: ${fault.message}.`, hint: fault.hint, cause: error });
}

function notThere(): AppError {
  return new AppError('not_found', { message: 'There is no such file in the home.' });
}

function taken(name: string): AppError {
  return new AppError('conflict', { message: `There is already something with the name "${name}".` });
}
