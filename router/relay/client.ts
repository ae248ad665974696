/** The client's side of a relayed answer: the stream for the client, and the bytes that the client has not read yet. */
import { steadyMs } from '../lib/time';

/** A client that reads nothing for this time counts as disconnected, and the lease is released. */
const STALLED_MS = 600_000;

export class RelayClient {
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** Whether the client waits for a chunk. */
  #isAsked = false;
  #quietSinceMs = steadyMs();
  #stalledSinceMs: number | undefined;

  /**
   * Makes the stream for the client. It has no queue of its own.
   * @param onWant Called whenever the client wants the next chunk.
   * @param onGone Called when the client cancels the stream.
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
        cancel: () => {
          // It may leave while the answer is stored, after which it would be closed.
          this.#controller = undefined;
          onGone();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Whether there is a client that still reads. */
  get isReading(): boolean {
    return this.#controller !== undefined;
  }

  /** Whether the queue has bytes that the client has not read. */
  get isBehind(): boolean {
    return (this.#controller?.desiredSize ?? 0) < 0;
  }

  /** Sends the chunk for which the client waits. */
  answer(bytes: Uint8Array): void {
    this.#isAsked = false;
    this.send(bytes);
  }

  /** Sends bytes that the router itself has made. */
  send(bytes: Uint8Array): void {
    this.#quietSinceMs = steadyMs();
    try {
      this.#controller?.enqueue(bytes);
    } catch {
      // A stream that broke without notice accepts nothing more; the answer ends as it would have.
      this.#controller = undefined;
    }
  }

  /** Closes the stream regularly. */
  close(): void {
    const controller = this.#controller;
    this.#controller = undefined;
    controller?.close();
  }

  /** Breaks the stream without a reason, because Bun would print the reason. */
  break(): void {
    const controller = this.#controller;
    this.#controller = undefined;
    controller?.error();
  }

  /** Milliseconds since bytes were last sent. */
  quietMs(nowMs: number): number {
    return nowMs - this.#quietSinceMs;
  }

  /**
   * Whether the client has read nothing for so long that it counts as disconnected. Call it at each tick of the clock.
   */
  isStalled(nowMs: number): boolean {
    // If a comment is still in the queue, the client has not read it.
    const isTaking = !this.isReading || (this.#isAsked && !this.isBehind);
    this.#stalledSinceMs = isTaking ? undefined : (this.#stalledSinceMs ?? nowMs);
    return nowMs - (this.#stalledSinceMs ?? nowMs) >= STALLED_MS;
  }
}
