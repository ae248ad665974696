/** Long bodies of answers: they are in memory until their client has read them, and count against a limit until then. */
import { type Allowance, Share } from '../../lib/allowance';
import type { Soon } from '../../lib/lookup';
import { Pace } from '../pace';
import { type Incoming, waitNoLonger, waitPatiently } from '../patience';

/** Bytes that are sent at once. Shorter bodies are not counted. */
const PIECE_BYTES = 65_536;
/** How far a client may fall behind the slowest pace (`Pace`): enough for somebody who reads the output page by page. */
const BEHIND_MS_MAX = 600_000;
const utf8 = new TextEncoder();

/** The user for whom a long body is held, and the request that reads it. */
export interface Holding {
  /** The memory for long requests and answers. */
  readonly held: Allowance;
  readonly holder: string;
  readonly incoming: Incoming;
}

/** Whether a body of so many bytes is counted. */
export function isLong(bytes: number): boolean {
  return bytes > PIECE_BYTES;
}

/**
 * A body of bytes. Long ones count against `held` until they are read, or the client has gone or reads too slowly. Throws
 * `too_much_at_once` or `overloaded`.
 */
export function heldBody(bytes: Uint8Array<ArrayBuffer>, { held, holder, incoming }: Holding): BodyInit {
  return isLong(bytes.length) ? longBody(bytes, held.take(holder, bytes.length), incoming) : bytes;
}

/** The same for a long body that is counted already. @param share is ended with the body. */
export function longBody(bytes: Uint8Array<ArrayBuffer>, share: Share, incoming: Incoming): ReadableStream<Uint8Array> {
  let at = 0;
  const next = () => {
    const piece = bytes.subarray(at, at + PIECE_BYTES);
    at += piece.length;
    return piece.length > 0 ? piece : 'end';
  };
  return inPieces(next, () => share.end(), incoming);
}

/**
 * A body of texts that are made while the client reads. A long text counts against `held` until it is read, or the client has
 * gone or reads too slowly; if there is no room for it, the body breaks off.
 */
export function heldTexts(
  texts: AsyncIterator<string>,
  { held, holder, incoming }: Holding,
): ReadableStream<Uint8Array> {
  let rest = new Uint8Array();
  let share = new Share(held, holder);
  const next = async () => {
    if (rest.length === 0) {
      share.end();
      // Before the next text is made, so that a client that leaves meanwhile ends its share.
      share = new Share(held, holder);
      const { value, done } = await texts.next();
      if (done) return 'end';
      rest = utf8.encode(value);
      if (isLong(rest.length) && share.grow(rest.length)) return 'broken';
    }
    const piece = rest.subarray(0, PIECE_BYTES);
    rest = rest.subarray(PIECE_BYTES);
    return piece;
  };
  return inPieces(next, () => share.end(), incoming);
}

/**
 * A stream of pieces, each made when the client wants it. `Pace` limits how slowly the client may read, in place of the server's
 * own limit, which would close the connection of a client that pauses.
 * @param onEnd called once, when nothing is sent any more.
 */
function inPieces(
  next: () => Soon<Uint8Array | 'end' | 'broken'>,
  onEnd: () => void,
  { request, server }: Incoming,
): ReadableStream<Uint8Array> {
  let pace: Pace | undefined;
  const end = () => {
    if (!pace) return;
    pace.end();
    pace = undefined;
    waitNoLonger(server, request);
    onEnd();
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        waitPatiently(server, request);
        pace = new Pace(BEHIND_MS_MAX, () => {
          end();
          // Without a reason, because Bun would print it.
          controller.error();
        });
      },
      async pull(controller) {
        try {
          const piece = await next();
          if (!pace) return;
          if (piece instanceof Uint8Array) {
            pace.moved(piece.length);
            controller.enqueue(piece);
            return;
          }
          end();
          if (piece === 'end') controller.close();
          else controller.error();
        } catch (thrown) {
          end();
          throw thrown;
        }
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
}
