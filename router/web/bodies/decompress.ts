/** Decompresses the bodies of requests (HTTP content codings) within the size limit of the body. */

import { promisify } from 'node:util';
import { brotliDecompress, gunzip, type InputType, inflate, type ZlibOptions, zstdDecompress } from 'node:zlib';
import { AppError } from '../../lib/errors';
import { hasCode } from '../../lib/system-errors';

type Decompress = (bytes: InputType, options: ZlibOptions) => Promise<Uint8Array<ArrayBuffer>>;

/**
 * These run on threads of their own, and stop at `maxOutputLength`, so a body that expands without end costs no more
 * than the limit.
 */
const CODINGS: Readonly<Record<string, Decompress>> = {
  gzip: promisify(gunzip) as Decompress,
  'x-gzip': promisify(gunzip) as Decompress,
  deflate: promisify(inflate) as Decompress,
  br: promisify(brotliDecompress) as Decompress,
  zstd: promisify(zstdDecompress) as Decompress,
};

/**
 * The body without its compression; the same bytes when it was not compressed. Throws `unsupported_media_type`,
 * `too_large`, and `invalid_request` for bytes that do not fit their coding.
 */
export async function decompressed(
  bytes: Uint8Array<ArrayBuffer>,
  encoding: string | null,
  maxBytes: number,
  tooLarge: (maxBytes: number) => AppError,
): Promise<Uint8Array<ArrayBuffer>> {
  const coding = encoding?.trim().toLowerCase();
  if (coding === undefined || coding === '' || coding === 'identity' || bytes.length === 0) return bytes;
  const decompress = Object.hasOwn(CODINGS, coding) ? CODINGS[coding] : undefined;
  if (!decompress) {
    const known = 'Send the body as it is, or as one of gzip, deflate, br and zstd.';
    throw new AppError('unsupported_media_type', {
      message: `The content encoding "${coding.slice(0, 50)}" is not supported. ${known}`,
    });
  }
  return decompress(bytes, { maxOutputLength: maxBytes }).catch((cause: unknown) => {
    if (hasCode(cause, 'ERR_BUFFER_TOO_LARGE')) throw tooLarge(maxBytes);
    throw new AppError('invalid_request', {
      message: `The body is not ${coding}, as its content encoding says.`,
      cause,
    });
  });
}
