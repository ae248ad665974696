/** Sends files and folders of a home to their owner: a file as it is, a folder as an archive. */
import { Readable } from 'node:stream';
import type { OpenFile } from '../agents/safe-folder';
import type { Agent } from '../agents/store';
import { AppError } from '../lib/errors';
import { pictureType } from '../lib/file-kinds';
import { packFolder } from './archive';
import type { HomeFiles } from './home-files';

const READ_BYTES = 65_536;
const ARCHIVE_BYTES_MAX = 1_073_741_824;
/** Bytes of a text that a page shows, and of the beginning by which pictures are known. */
const TEXT_BYTES_MAX = 262_144;

/** What a file is, from its beginning: a picture, text, or neither. */
export type Kind = { readonly picture: string } | { readonly text: string; readonly isCut: boolean } | undefined;

export async function kindOf({ handle, bytes }: OpenFile): Promise<Kind> {
  const buffer = Buffer.alloc(Math.min(bytes, TEXT_BYTES_MAX));
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
  const begin = buffer.subarray(0, bytesRead);
  const picture = pictureType(begin);
  if (picture !== undefined) return { picture };
  if (begin.includes(0)) return undefined;
  try {
    // With `stream`, a character that the limit has cut is no error.
    const isCut = bytes > bytesRead;
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(begin, { stream: isCut }), isCut };
  } catch {
    return undefined;
  }
}

/**
 * The bytes of an open file, up to the length that it had when it was opened. Closes it at the end, when it cannot be read any
 * more, and when the reader leaves.
 */
export function fileStream({ handle, bytes }: OpenFile, onEnd: () => void): ReadableStream<Uint8Array> {
  let at = 0;
  const end = async () => {
    onEnd();
    await handle.close();
  };
  const read = async (): Promise<Uint8Array> => {
    const buffer = new Uint8Array(Math.min(READ_BYTES, bytes - at));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    // The length was announced: without an error the client would wait for the rest.
    if (bytesRead < 1) throw new Error('The file was cut while it was read');
    at += bytesRead;
    return buffer.subarray(0, bytesRead);
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          if (at < bytes) controller.enqueue(await read());
          if (at < bytes) return;
          controller.close();
        } catch (error) {
          controller.error(error);
        }
        await end();
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
}

/**
 * A folder as `.tar.gz`. Throws `too_large` before the first byte when the folder is larger than an archive may be.
 * @param abort ends the work; it is aborted when the stream has ended.
 */
export async function archiveStream(
  files: HomeFiles,
  agent: Agent,
  path: readonly string[],
  { root, abort }: { readonly root: string; readonly abort: AbortController },
): Promise<ReadableStream<Uint8Array>> {
  const { bytes, isWhole } = await files.size(agent, path);
  if (!isWhole || bytes > ARCHIVE_BYTES_MAX) {
    const message = 'This folder is too large for one archive. Download folders in it one by one.';
    throw new AppError('too_large', { message });
  }
  const opened = Promise.withResolvers<Readable>();
  files
    .within(agent, path, async (folder) => {
      const packed = await packFolder(folder, root, abort);
      opened.resolve(packed.bytes);
      await packed.done;
    })
    .catch(opened.reject);
  // Node's type of the same class.
  return Readable.toWeb(await opened.promise) as unknown as ReadableStream<Uint8Array>;
}

/** `Content-Disposition`, with the name for old and for present clients (RFC 6266). */
export function attachment(name: string): string {
  const plain = name.replace(/[^\w. -]/g, '_');
  const encoded = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
