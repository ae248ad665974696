/** Commands that root runs for a router of another user: the files and folders that they make belong to that user. */
import {
  chmodSync,
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  lchownSync,
  lstatSync,
  openSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config } from '../router/config/config';
import { listBackups } from '../router/database/backup-folders';

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

interface Inheritance extends Disposable {
  /** Gives what has been made until now. At the end of its block the rest is given. */
  give(): void;
  /**
   * Gives what a restored folder has of the router's former user, whose number may be that of nobody on this machine. What
   * root had stays root's, without the rights that it could lend to an agent.
   */
  adopt(folder: string): void;
}

/** Bits of a mode that lend the rights of a file's owner or group to who runs it. */
const LENDING = 0o6000;

const isRoot = () => process.getuid?.() === 0;
const inodeOf = (path: string) => (existsSync(path) ? lstatSync(path).ino : undefined);

/**
 * To be taken before a command makes anything: what it then makes of an installation, with the missing folders above, is given to
 * the owner of the nearest folder that is there now. What is inside comes before its folder, whose owner can put links
 * there; no link is followed.
 */
export function inheritance({ databasePath, homesRoot, attachmentsRoot, backups }: Config): Inheritance {
  if (!isRoot()) return { give() {}, adopt() {}, [Symbol.dispose]() {} };
  const heirs = new Map<string, { readonly owner: Owner; readonly before: number | undefined }>();
  function expect(path: string): Owner {
    const owner = existsSync(dirname(path)) ? statSync(dirname(path)) : expect(dirname(path));
    heirs.set(path, { owner, before: inodeOf(path) });
    return owner;
  }
  const [owner] = [databasePath, `${databasePath}.lock`, homesRoot, attachmentsRoot, backups.root].map(expect);
  const ofBackups = existsSync(backups.root) ? statSync(backups.root) : heirs.get(backups.root)?.owner;
  const foldersOfRoot = () => listBackups(backups.root).flatMap(({ path }) => (isFolderOfRoot(path) ? [path] : []));
  const known = new Set(isFolder(backups.root) ? foldersOfRoot() : []);

  /** A backup gets its name when it is made. */
  function giveBackups(): void {
    for (const path of foldersOfRoot().filter((one) => !known.has(one))) {
      for (const name of readdirSync(path)) give(join(path, name), ofBackups);
      give(path, ofBackups);
    }
  }

  function giveAll(): void {
    if (isFolder(backups.root)) giveBackups();
    const inward = [...heirs].sort(([one], [other]) => other.length - one.length);
    for (const [path, { owner, before }] of inward) {
      const inode = inodeOf(path);
      if (inode === undefined || inode === before) continue;
      give(path, owner);
      heirs.delete(path);
    }
  }

  return {
    give: giveAll,
    adopt(folder) {
      const real = realpathSync(folder);
      adoptBelow(real, lstatSync(real).uid, owner);
      give(real, owner);
    },
    [Symbol.dispose]: giveAll,
  };
}

const isFolder = (path: string) => existsSync(path) && statSync(path).isDirectory();

/** A link is none. */
function isFolderOfRoot(path: string): boolean {
  const entry = lstatSync(path, { throwIfNoEntry: false });
  return entry?.isDirectory() === true && entry.uid === 0;
}

function give(path: string, owner: Owner | undefined): void {
  if (owner) lchownSync(path, owner.uid, owner.gid);
}

function adoptBelow(folder: string, former: number, owner: Owner | undefined): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const entry = lstatSync(path);
    if (entry.isDirectory()) adoptBelow(path, former, owner);
    // Agents can write backups, and so put a device of the machine into one.
    if (entry.isBlockDevice() || entry.isCharacterDevice()) rmSync(path);
    else if (entry.uid === former && former !== 0) give(path, owner);
    else if (entry.isFile() && entry.mode & LENDING) chmodSync(path, entry.mode & ~LENDING);
  }
}

/**
 * Writes a new file in place of what is at the path. Others may put links into the folder: none is followed.
 * @param like whose owner and mode it gets; by default the owner of its folder, who alone can read it.
 */
export function writeNewFile(path: string, text: string, like?: Owner & { readonly mode: number }): void {
  const { uid, gid } = like ?? statSync(dirname(path));
  rmSync(path, { force: true });
  const file = openSync(path, 'wx', 0o600);
  try {
    writeFileSync(file, text);
    if (isRoot()) fchownSync(file, uid, gid);
    if (like) fchmodSync(file, like.mode & 0o777);
  } finally {
    closeSync(file);
  }
}
