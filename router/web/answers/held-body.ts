/** Long bodies of answers, which are in memory until their client has read them and are counted meanwhile. */
import { type Allowance, Share } from '../../lib/allowance';

/** Bytes that are sent at once. Shorter bodies are not counted. */
const PIECE_BYTES = 65_536;
const utf8 = new TextEncoder();

/**
 * A body of bytes, which count against `held`, the memory for long requests and answers, until they are read or the client has
 * gone. Throws `too_much_at_once` or `overloaded`.
 * @param holder for whom they are counted.
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

/**
 * A body of texts that are made while the client reads. A long text counts against `held` until it is read or the client has
 * gone; when that has no room, the body breaks off.
 */
export function heldTexts(texts: AsyncIterator<string>, held: Allowance, holder: string): ReadableStream<Uint8Array> {
  let rest = new Uint8Array();
  let share = new Share(held, holder);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (rest.length === 0) {
          share.end();
          // Before the next text is made, so that a client that leaves meanwhile ends its share.
          share = new Share(held, holder);
          const { value, done } = await texts.next();
          if (done) return controller.close();
          rest = utf8.encode(value);
          // Without a reason, because Bun would print it.
          if (rest.length > PIECE_BYTES && share.grow(rest.length)) return controller.error();
        }
        controller.enqueue(rest.subarray(0, PIECE_BYTES));
        rest = rest.subarray(PIECE_BYTES);
      },
      cancel: () => share.end(),
    },
    { highWaterMark: 0 },
  );
}
