/**
 * Reads and writes in folders to which a hostile program may write as well.
 *
 * A folder is kept open, and every name is looked up relative to its descriptor (through `/proc/self/fd`, with the effect
 * of `openat(2)`), one name at a time and without following links. So a path that changes meanwhile does no harm: the
 * folder that was checked is the folder that is used. Without `/proc` (macOS, for development) names are looked up by
 * path, and a link that is planted between check and use would be followed.
 */
import { constants, existsSync } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../lib/system-errors';
import { ownerFault } from './home-faults';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
const HAS_PROC = existsSync('/proc/self/fd');

/** Owner of the files and folders that are written. When undefined, they belong to the user of the process. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Thrown when a link, or an entry of the wrong kind, has the name of a file or folder that the router has to write. */
export class UnsafePathError extends Error {
  override readonly name = 'UnsafePathError';
  constructor(
    readonly path: string,
    what: string,
    options?: ErrorOptions,
  ) {
    super(`${path} is ${what}. The router does not follow or replace it: remove it and start again.`, options);
  }
}

/** An entry of a folder. A link, a pipe and a device are `other`. */
export interface FolderEntry {
  readonly name: string;
  readonly kind: 'folder' | 'file' | 'other';
  readonly bytes: number;
  readonly changedAtMs: number;
}

/** A file that is open for reading. The caller closes the handle. */
export interface OpenFile {
  readonly handle: FileHandle;
  readonly bytes: number;
  readonly changedAtMs: number;
}

/** Bytes of a folder itself, from which on its names are not read: there would be some 100,000. */
const FOLDER_BYTES_MAX = 2_097_152;

export class Folder implements AsyncDisposable {
  private constructor(
    private readonly handle: FileHandle,
    readonly path: string,
  ) {}

  /** Opens a folder by its path. The parents are trusted; the last name must not be a link. */
  static async open(path: string): Promise<Folder> {
    return new Folder(await openFolder(path, path), path);
  }

  /** Opens the folder `name` in this folder. Creates it (mode 0700) when no entry has that name. */
  async enter(name: string, owner: Owner | undefined): Promise<Folder> {
    await mkdir(this.at(name), 0o700).catch(alreadyThere);
    const path = join(this.path, name);
    const folder = new Folder(await openFolder(this.at(name), path), path);
    // A folder that belongs to the router's user was created by the router, now or before a crash. `give` works on the
    // handle and not on the name, because the name may mean another folder by now.
    try {
      if (owner && (await folder.handle.stat()).uid === process.getuid?.()) await give(folder.handle, owner);
      return folder;
    } catch (error) {
      await folder.handle.close();
      throw error;
    }
  }

  /** Opens the folder `name` in this folder. Throws `ENOENT`, and `UnsafePathError` for anything but a folder. */
  async find(name: string): Promise<Folder> {
    const path = join(this.path, name);
    return new Folder(await openFolder(this.at(name), path), path);
  }

  /** The names in the folder, in order. @returns undefined when there are too many to be read. */
  async names(): Promise<readonly string[] | undefined> {
    if ((await this.handle.stat()).size > FOLDER_BYTES_MAX) return undefined;
    return (await readdir(this.at('.'))).sort();
  }

  /** @returns undefined when no entry has that name any more. */
  async entry(name: string): Promise<FolderEntry | undefined> {
    const stats = await lstat(this.at(name)).catch(missing);
    if (!stats) return undefined;
    const kind = stats.isDirectory() ? 'folder' : stats.isFile() ? 'file' : 'other';
    return { name, kind, bytes: kind === 'file' ? stats.size : 0, changedAtMs: Math.floor(stats.mtimeMs) };
  }

  /**
   * Opens a file for reading. Throws `ENOENT`, and `UnsafePathError` for a link, a pipe, a device, and a file with several
   * names: under another one it may belong to somebody else.
   */
  async openFile(name: string): Promise<OpenFile> {
    const path = join(this.path, name);
    const handle = await open(this.at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch((cause: unknown) => {
      if (hasCode(cause, 'ELOOP', 'ENXIO', 'ENODEV')) throw new UnsafePathError(path, 'not a file', { cause });
      throw cause;
    });
    const stats = await handle.stat();
    if (stats.isFile() && stats.nlink === 1) {
      return { handle, bytes: stats.size, changedAtMs: Math.floor(stats.mtimeMs) };
    }
    await handle.close();
    throw new UnsafePathError(path, stats.isFile() ? 'a file with several names' : 'not a file');
  }

  /** Whether the folder has an entry of that name; a broken link counts. */
  async has(name: string): Promise<boolean> {
    return lstat(this.at(name)).then(() => true, missing);
  }

  /**
   * Writes a new file (mode 0600, or 0700 for an executable) and renames it to `name`. An existing link, pipe or file with
   * several hard links of that name is replaced, never opened. A program that may write to the folder can replace the new
   * file before the rename; it could do the same afterwards, so that is no additional risk.
   */
  async write(name: string, bytes: Uint8Array, options: { owner: Owner | undefined; isExecutable: boolean }) {
    const temporary = `.${crypto.randomUUID()}.tmp`;
    const mode = options.isExecutable ? 0o700 : 0o600;
    const file = await open(this.at(temporary), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    try {
      await file.writeFile(bytes);
      if (options.owner) await give(file, options.owner);
      await rename(this.at(temporary), this.at(name));
    } catch (cause) {
      await unlink(this.at(temporary)).catch(missing);
      if (hasCode(cause, 'EISDIR', 'ENOTEMPTY', 'EEXIST')) {
        throw new UnsafePathError(join(this.path, name), 'a folder, not a file', { cause });
      }
      throw cause;
    } finally {
      await file.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.close();
  }

  private at(name: string): string {
    return HAS_PROC ? `/proc/self/fd/${this.handle.fd}/${name}` : join(this.path, name);
  }
}

/** Throws a `HomeError` when the system refuses it. */
async function give(handle: FileHandle, owner: Owner): Promise<void> {
  await handle.chown(owner.uid, owner.gid).catch((error: unknown) => {
    throw ownerFault(owner, error);
  });
}

async function openFolder(where: string, path: string): Promise<FileHandle> {
  try {
    return await open(where, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch (cause) {
    if (hasCode(cause, 'ENOTDIR', 'ELOOP'))
      throw new UnsafePathError(path, 'a link or a file, not a folder', { cause });
    throw cause;
  }
}

function alreadyThere(error: unknown): void {
  if (!hasCode(error, 'EEXIST')) throw error;
}

function missing(error: unknown): false {
  if (hasCode(error, 'ENOENT')) return false;
  throw error;
}
