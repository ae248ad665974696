/** Long bodies that are in memory until their client has read them. */
import { type Allowance, Share } from '../../lib/allowance';

/** Bytes of a piece. A body that is not longer is not counted. */
const PIECE_BYTES = 65_536;

/**
 * A body of bytes, which take their part of the memory for long requests and answers until they are read or the client has
 * gone. Throws `too_much_at_once` or `overloaded`.
 * @param holder whose part it is.
 */
export function heldBody(bytes: Uint8Array<ArrayBuffer>, held: Allowance, holder: string): BodyInit {
  if (bytes.length <= PIECE_BYTES) return bytes;
  const share = new Share(held, holder);
  const refusal = share.grow(bytes.length);
  if (refusal) throw refusal;
  let at = 0;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (at < bytes.length) controller.enqueue(bytes.subarray(at, at + PIECE_BYTES));
        at += PIECE_BYTES;
        if (at < bytes.length) return;
        share.end();
        controller.close();
      },
      cancel: () => share.end(),
    },
    { highWaterMark: 0 },
  );
}
