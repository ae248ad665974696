/** Reads the bodies of requests up to a limit, whatever length they declare, within the memory for bodies. */
import type { Share } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import { steadyMs } from '../../lib/time';
import { decompressed } from './decompress';

/** Bytes. Shorter bodies do not count against the memory limit: a connection alone costs as much. */
const COUNTED_BYTES_MIN = 65_536;

/** What is counted as it comes arrives with so many bytes a second on average, or faster, once its first time is over. */
const BYTES_PER_SECOND_MIN = 8_192;
const FIRST_MS = 30_000;

interface BodyLimits {
  /** A longer body is refused as soon as its length is known. */
  readonly maxBytes: number;
  /** The memory that a long body is counted against, until the share's owner ends it. */
  readonly share?: Share;
  /**
   * Whether the declared length is held at once (by default), so that a body that has begun is not refused in its middle.
   * Not for senders whom nobody knows: what they only declare would keep others out.
   */
  readonly isReserved?: boolean;
}

/**
 * Reads a whole body and decompresses it. Counts the bytes that arrive, not the declared length. Throws `too_large`,
 * `too_slow`, `unsupported_media_type`, `invalid_request` when the body is cut, or the error with which `share` refuses.
 */
export async function readBody(request: Request, limits: BodyLimits): Promise<Uint8Array<ArrayBuffer>> {
  const { maxBytes, share, isReserved = true } = limits;
  const declared = request.headers.get('content-length');
  if (Number(declared) > maxBytes) throw tooLarge(maxBytes);
  // The server reads at most the declared length. `request.body` creates a stream, which takes twice the memory for a long body.
  const isDeclared = declared !== null && request.headers.get('transfer-encoding') === null;
  const isWhole = isDeclared && (isReserved || Number(declared) <= COUNTED_BYTES_MIN);
  if (isWhole) hold(share, Number(declared));
  const bytes = await (isWhole ? request.bytes() : readChunks(request.body, limits)).catch(cutOff);
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  const encoding = request.headers.get('content-encoding');
  const plain = encoding === null ? bytes : await decompressed(bytes, encoding, maxBytes, tooLarge);
  if (plain !== bytes) hold(limits.share, plain.length);
  return plain;
}

function cutOff(cause: unknown): never {
  if (cause instanceof AppError) throw cause;
  throw new AppError('invalid_request', { message: 'The request ended before its body was complete.', cause });
}

async function readChunks(body: Request['body'], { maxBytes, share }: BodyLimits): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  const startedMs = steadyMs();
  let bytes = 0;
  let held = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    if (bytes - held > COUNTED_BYTES_MIN) {
      hold(share, bytes - held);
      held = bytes;
    }
    const lateMs = steadyMs() - startedMs - FIRST_MS;
    if (held > 0 && lateMs * BYTES_PER_SECOND_MIN > bytes * 1000) throw new AppError('too_slow');
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array<ArrayBuffer>) : new Uint8Array(Buffer.concat(chunks));
}

function hold(share: Share | undefined, bytes: number): void {
  const refusal = bytes > COUNTED_BYTES_MIN ? share?.grow(bytes) : undefined;
  if (refusal) throw refusal;
}

export function tooLarge(maxBytes: number): AppError {
  return new AppError('too_large', { message: `The request is larger than ${maxBytes} bytes.` });
}
