/**
 * The contents of attached files, each in one file that is named by its hash. The database has the rows that refer to
 * them (`chat/attachments/store.ts`) and says which are loose.
 */

import { unlinkSync } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../lib/ids';
import { hasCode } from '../lib/system-errors';

/** Hashed at once, so that nobody waits: a megabyte takes about a millisecond. */
const HASHED_BYTES = 1_048_576;

export type Blobs = ReturnType<typeof blobFiles>;

/** @param root an absolute path. The folder is made with the first file. */
export function blobFiles(root: string) {
  const folderOf = (hash: string) => join(root, hash.slice(0, 2));
  const pathOf = (hash: string) => join(folderOf(hash), hash);

  const has = (hash: string): Promise<boolean> =>
    stat(pathOf(hash)).then(
      () => true,
      () => false,
    );

  return {
    has,

    /** Stores a content, unless it is there. A crash leaves the whole file or none with this name. */
    async put(hash: string, bytes: Uint8Array): Promise<void> {
      if (await has(hash)) return;
      await mkdir(folderOf(hash), { recursive: true, mode: 0o700 });
      const beside = join(folderOf(hash), `.${newId()}`);
      try {
        const file = await open(beside, 'wx', 0o600);
        try {
          await file.writeFile(bytes);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(beside, pathOf(hash));
      } catch (error) {
        await rm(beside, { force: true });
        throw error;
      }
    },

    /** For reading and for answers. */
    file: (hash: string): Bun.BunFile => Bun.file(pathOf(hash)),

    /** Without an await, so that nothing can refer to it in between. */
    remove(hash: string): void {
      try {
        unlinkSync(pathOf(hash));
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error;
      }
    },
  };
}

/** The SHA-256 of a content as hex. Lets others run while a large one is hashed. */
export async function hashOf(bytes: Uint8Array): Promise<string> {
  const hash = new Bun.CryptoHasher('sha256');
  for (let at = 0; at < bytes.length; at += HASHED_BYTES) {
    if (at > 0) await new Promise((resolve) => setImmediate(resolve));
    hash.update(bytes.subarray(at, at + HASHED_BYTES));
  }
  return hash.digest('hex');
}
