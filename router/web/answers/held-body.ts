/** Long bodies of answers, which are in memory until their client has read them and are counted meanwhile. */
import { type Allowance, Share } from '../../lib/allowance';
import type { Soon } from '../../lib/lookup';
import { Pace } from '../pace';

/** Bytes that are sent at once. Shorter bodies are not counted. */
const PIECE_BYTES = 65_536;
/** How far a client may fall behind the slowest pace of reading: somebody looks at what comes, page by page. */
const BEHIND_MS_MAX = 600_000;
const utf8 = new TextEncoder();

/**
 * A body of bytes, which count against `held`, the memory for long requests and answers, until they are read, or the client has
 * gone or reads too slowly. Throws `too_much_at_once` or `overloaded`.
 * @param holder for whom they are counted.
 */
export function heldBody(bytes: Uint8Array<ArrayBuffer>, held: Allowance, holder: string): BodyInit {
  if (bytes.length <= PIECE_BYTES) return bytes;
  const share = new Share(held, holder);
  const refusal = share.grow(bytes.length);
  if (refusal) throw refusal;
  let at = 0;
  const next = () => {
    const piece = bytes.subarray(at, at + PIECE_BYTES);
    at += piece.length;
    return piece.length > 0 ? piece : 'end';
  };
  return inPieces(next, () => share.end());
}

/**
 * A body of texts that are made while the client reads. A long text counts against `held` until it is read, or the client has
 * gone or reads too slowly; when that has no room, the body breaks off.
 */
export function heldTexts(texts: AsyncIterator<string>, held: Allowance, holder: string): ReadableStream<Uint8Array> {
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
      if (rest.length > PIECE_BYTES && share.grow(rest.length)) return 'broken';
    }
    const piece = rest.subarray(0, PIECE_BYTES);
    rest = rest.subarray(PIECE_BYTES);
    return piece;
  };
  return inPieces(next, () => share.end());
}

/**
 * A stream of pieces, each made when the client wants it.
 * @param onEnd called once, when nothing is sent any more.
 */
function inPieces(next: () => Soon<Uint8Array | 'end' | 'broken'>, onEnd: () => void): ReadableStream<Uint8Array> {
  let pace: Pace | undefined;
  const end = () => {
    if (!pace) return;
    pace.end();
    pace = undefined;
    onEnd();
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
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
