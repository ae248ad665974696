/** Checks files that are given for a message. */
import { attachableKind, isPicture } from '../../attachments/kinds';
import { AppError } from '../../lib/errors';
import type { KeptFile } from './store';

/** Characters of a name. */
const NAME_LENGTH_MAX = 200;
/** A text is a part of the message, so it cannot be as long as a picture. */
const TEXT_BYTES_MAX = 1_048_576;

export interface GivenFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface FileLimits {
  /** Bytes of one file. */
  readonly bytesMax: number;
  /** Files of a message, and their bytes. */
  readonly countMax: number;
  readonly messageBytesMax: number;
}

/**
 * Checks one file, and returns what its row says of it. Throws `too_large`, `unsupported_media_type` or `invalid_request` with
 * the name of the file.
 */
export function checkedFile({ name, bytes }: GivenFile, { bytesMax }: FileLimits): Omit<KeptFile, 'hash' | 'id'> {
  const shown = nameOf(name);
  if (bytes.length > bytesMax) throw tooLarge(shown, bytesMax);
  if (bytes.length === 0) throw new AppError('invalid_request', { message: `The file "${shown}" is empty.` });
  const kind = attachableKind(bytes);
  if (!kind) {
    const message = `The file "${shown}" is neither a picture (PNG, JPEG, GIF or WebP) nor text.`;
    throw new AppError('unsupported_media_type', { message });
  }
  if (!isPicture(kind) && bytes.length > TEXT_BYTES_MAX) throw tooLarge(shown, TEXT_BYTES_MAX);
  return { name: shown, bytes: bytes.length, ...kind };
}

/**
 * Checks the number and the size of all files of one message. Throws `too_large` or `invalid_request`.
 * @param had the files that the message has already.
 * @returns the bytes of the new files.
 */
export function checkedBytes(
  files: readonly GivenFile[],
  had: readonly Pick<KeptFile, 'bytes'>[],
  { countMax, messageBytesMax }: FileLimits,
): number {
  if (files.length + had.length > countMax) {
    throw new AppError('invalid_request', { message: `A message has at most ${countMax} files.` });
  }
  const bytes = files.reduce((sum, file) => sum + file.bytes.length, 0);
  if (had.reduce((sum, file) => sum + file.bytes, bytes) > messageBytesMax) {
    const message = `The files of a message have at most ${sizeText(messageBytesMax)} together.`;
    throw new AppError('too_large', { message });
  }
  return bytes;
}

/** A name in one line, without the folders that some clients send with it. */
function nameOf(name: string): string {
  const last = name.split(/[/\\]/).at(-1) ?? '';
  const plain = last
    .toWellFormed()
    .replace(/\p{Cc}/gu, ' ')
    .trim();
  return plain.slice(0, NAME_LENGTH_MAX) || 'file';
}

function tooLarge(name: string, bytesMax: number): AppError {
  return new AppError('too_large', { message: `The file "${name}" is larger than ${sizeText(bytesMax)}.` });
}

/** For sentences of errors, which are English. */
export function sizeText(bytes: number): string {
  const mebibytes = bytes / 1_048_576;
  return mebibytes >= 1 ? `${Math.floor(mebibytes * 10) / 10} MB` : `${Math.floor(bytes / 1024)} KB`;
}
