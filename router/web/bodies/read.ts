/** Reads the bodies of requests up to a limit, whatever length they declare, within the memory for bodies. */
import { type Allowance, Share } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import { Pace } from '../pace';
import { IDLE_SECONDS, type Incoming, type Listener, waitPatiently } from '../patience';
import { decompressed } from './decompress';

/** Bytes. Shorter bodies do not count against the memory limit: a connection alone costs as much. */
const COUNTED_BYTES_MIN = 65_536;

/** How far a long body may fall behind its slowest pace. */
const BEHIND_MS_MAX = 30_000;

interface BodyLimits {
  /** A longer body is refused as soon as its length is known. */
  readonly maxBytes: number;
  /** The memory that a long body is counted against as it comes, until the share's owner ends it. */
  readonly share?: Share;
  /** The listener that the request came to. */
  readonly listener: Listener;
  /** The answer may take long: the server waits for it without end (`waitPatiently`). */
  readonly isPatient?: boolean;
}

/**
 * Reads a whole body and decompresses it. Counts the bytes that arrive, not the declared length. Throws `too_large`,
 * `too_slow`, `unsupported_media_type`, `invalid_request` when the body is cut, or the error with which `share` refuses.
 */
export async function readBody(request: Request, limits: BodyLimits): Promise<Uint8Array<ArrayBuffer>> {
  const { maxBytes, share, listener, isPatient } = limits;
  const declared = request.headers.get('content-length');
  if (Number(declared) > maxBytes) throw tooLarge(maxBytes);
  // The server reads at most the declared length.
  const isDeclared = declared !== null && request.headers.get('transfer-encoding') === null;
  const isShort = isDeclared && Number(declared) <= COUNTED_BYTES_MIN;
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await (isShort ? request.bytes() : readChunks(request, limits));
  } catch (cause) {
    throw cutOff(cause);
  }
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  const encoding = request.headers.get('content-encoding');
  const plain = encoding === null ? bytes : await decompressed(bytes, encoding, maxBytes, tooLarge);
  if (plain !== bytes) hold(share, plain.length);
  if (isPatient) waitPatiently(listener, request);
  return plain;
}

/**
 * Reads a body within the memory for bodies, which it holds until `work` has ended. Throws as `readBody` does.
 * @param limits.holder whose part of the memory it takes.
 */
export async function withBody<T>(
  { request, server }: Incoming,
  limits: { readonly held: Allowance; readonly holder: string; readonly maxBytes: number },
  work: (bytes: Uint8Array<ArrayBuffer>) => Promise<T>,
): Promise<T> {
  const share = new Share(limits.held, limits.holder);
  try {
    return await work(await readBody(request, { maxBytes: limits.maxBytes, share, listener: server }));
  } finally {
    share.end();
  }
}

function cutOff(cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  return new AppError('invalid_request', { message: 'The request ended before its body was complete.', cause });
}

async function readChunks(request: Request, limits: BodyLimits): Promise<Uint8Array<ArrayBuffer>> {
  const { maxBytes, share, listener } = limits;
  const reader = request.body?.getReader();
  if (!reader) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let held = 0;
  let isTooSlow = false;
  const pace = new Pace(BEHIND_MS_MAX, () => {
    isTooSlow = true;
    // Ends the reading as if the body were whole.
    void reader.cancel().catch(() => undefined);
  });
  // The server would close the connection of a phone in a bad network without an answer.
  waitPatiently(listener, request);
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      bytes += next.value.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      if (bytes - held > COUNTED_BYTES_MIN) {
        hold(share, bytes - held);
        held = bytes;
      }
      pace.moved(next.value.length);
      chunks.push(next.value);
    }
  } catch (thrown) {
    void reader.cancel().catch(() => undefined);
    throw thrown;
  } finally {
    pace.end();
    listener?.timeout(request, IDLE_SECONDS);
  }
  if (isTooSlow) throw new AppError('too_slow');
  const [first] = chunks;
  // A copy, so that a long body is in memory twice for a moment.
  return first && chunks.length === 1
    ? (first as Uint8Array<ArrayBuffer>)
    : Bun.concatArrayBuffers(chunks, bytes, true);
}

function hold(share: Share | undefined, bytes: number): void {
  const refusal = bytes > COUNTED_BYTES_MIN ? share?.grow(bytes) : undefined;
  if (refusal) throw refusal;
}

export function tooLarge(maxBytes: number): AppError {
  return new AppError('too_large', { message: `The request is larger than ${maxBytes} bytes.` });
}
