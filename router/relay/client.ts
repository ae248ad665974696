/** The client's side of a relayed answer: the stream that it reads, and what it has not taken of it. */
import { steadyMs } from '../lib/time';

/** A client that takes nothing for so long has gone without a word; the lease is not held for it any longer. */
const STALLED_MS = 600_000;

export class RelayClient {
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** Whether the client has asked for the chunk that is waited for. */
  #isAsked = false;
  #quietSinceMs = steadyMs();
  #stalledSinceMs: number | undefined;

  /**
   * Makes the stream that the client reads. It has no queue of its own.
   * @param onWant called whenever the client wants the next chunk.
   * @param onGone called when the client cancels the stream.
   */
  stream(onWant: () => void, onGone: () => void): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => {
          this.#isAsked = true;
          onWant();
        },
        cancel: onGone,
      },
      { highWaterMark: 0 },
    );
  }

  /** Whether there is a client that still reads. */
  get isReading(): boolean {
    return this.#controller !== undefined;
  }

  /** Whether the queue holds something that the client has not taken yet. */
  get isBehind(): boolean {
    return (this.#controller?.desiredSize ?? 0) < 0;
  }

  /** Sends the chunk of the answer that the client has asked for. */
  answer(bytes: Uint8Array): void {
    this.#isAsked = false;
    this.send(bytes);
  }

  /** Sends bytes of the router's own. */
  send(bytes: Uint8Array): void {
    this.#quietSinceMs = steadyMs();
    try {
      this.#controller?.enqueue(bytes);
    } catch {
      // A stream that has broken without notice takes nothing more; the answer ends as it would have.
      this.#controller = undefined;
    }
  }

  /** Closes the stream properly. */
  close(): void {
    const controller = this.#controller;
    this.#controller = undefined;
    controller?.close();
  }

  /** Breaks the stream, without a reason: Bun prints any reason that it is given. */
  break(): void {
    const controller = this.#controller;
    this.#controller = undefined;
    controller?.error();
  }

  /** Milliseconds since something was sent. */
  quietMs(nowMs: number): number {
    return nowMs - this.#quietSinceMs;
  }

  /** Whether the client has taken nothing for so long that it counts as gone. To be asked at each tick of the clock. */
  isStalled(nowMs: number): boolean {
    // With a comment in its queue, the client has not come back for what it had asked for.
    const isTaking = !this.isReading || (this.#isAsked && !this.isBehind);
    this.#stalledSinceMs = isTaking ? undefined : (this.#stalledSinceMs ?? nowMs);
    return nowMs - (this.#stalledSinceMs ?? nowMs) >= STALLED_MS;
  }
}
