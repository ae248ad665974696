/** A folder of a home as a stream of `.tar.gz`, made while the client reads it. Links and special files are left out. */
import { pipeline, type Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { Pack } from 'tar-stream';
import type { Folder, OpenFile } from '../agents/safe-folder';
import { inFolder, unreadable } from './home-files';

const READ_BYTES = 65_536;

/**
 * @param root name of the folder in the archive.
 * @param abort is aborted when the reader has gone; aborting it ends the work.
 * @returns the bytes, and `done`, which resolves when `folder` is no longer needed and never rejects: an error reaches the
 * reader through the bytes.
 */
export async function packFolder(
  folder: Folder,
  root: string,
  abort: AbortController,
): Promise<{ readonly bytes: Readable; readonly done: Promise<void> }> {
  // Loaded when the first archive is asked for.
  const { pack } = await import('tar-stream');
  const tar = pack();
  const { signal } = abort;
  signal.addEventListener('abort', () => tar.destroy(), { once: true });
  const bytes = createGzip();
  pipeline(tar, bytes, () => undefined);
  bytes.on('close', () => abort.abort());
  const done = addFolder(tar, folder, root, signal).then(
    () => tar.finalize(),
    (error: unknown) => void tar.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return { bytes, done };
}

async function addFolder(tar: Pack, folder: Folder, path: string, signal: AbortSignal): Promise<void> {
  for (const name of (await folder.names()) ?? []) {
    signal.throwIfAborted();
    const entry = await folder.entry(name);
    const inside = `${path}/${name}`;
    if (entry?.kind === 'folder') await inFolder(folder, name, (inner) => addFolder(tar, inner, inside, signal));
    const file = entry?.kind === 'file' ? await folder.openFile(name).catch(unreadable) : undefined;
    if (file) await addFile(tar, file, inside, signal);
  }
}

/** Closes the file in any case. */
async function addFile(tar: Pack, file: OpenFile, path: string, signal: AbortSignal): Promise<void> {
  const { handle, bytes, changedAtMs } = file;
  try {
    const written = Promise.withResolvers<void>();
    const sink = tar.entry({ name: path, size: bytes, mtime: new Date(changedAtMs), mode: 0o600 }, (error) =>
      error ? written.reject(error) : written.resolve(),
    );
    const aborted = () => written.reject(signal.reason);
    signal.addEventListener('abort', aborted, { once: true });
    written.promise.catch(() => undefined);
    for (let left = bytes; left > 0; ) {
      signal.throwIfAborted();
      const buffer = Buffer.alloc(Math.min(READ_BYTES, left));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, bytes - left);
      // The archive has announced the file's earlier size: if the file has shrunk since, the rest is zeros.
      const chunk = bytesRead === 0 ? buffer : buffer.subarray(0, bytesRead);
      left -= chunk.length;
      if (!sink.write(chunk)) {
        await Promise.race([new Promise((resolve) => sink.once('drain', resolve)), written.promise]);
      }
    }
    sink.end();
    await written.promise;
    signal.removeEventListener('abort', aborted);
  } finally {
    await handle.close();
  }
}
