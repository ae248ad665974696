/** The client's side of a relayed answer: the stream for the client, and the bytes that the client has not read yet. */
import { lastTickMs } from '../lib/heartbeat';
import { steadyMs } from '../lib/time';

/** A client that reads nothing for this time counts as disconnected, and the lease is released. */
const STALLED_MS = 600_000;
/** After this time without a chunk a client is asked whether it waits for one. */
const ASK_MS = 2_000;

/** No queue: what the client has not asked for is not read from the runner. */
const NO_QUEUE = { highWaterMark: 0 };

/** Who is told of the client: its relay. */
interface Told {
  /** The client wants the first chunk, or the next one after it was behind. Also called when it just goes on. */
  wanted(): void;
  /** The client has cancelled the stream. */
  clientGone(): void;
}

/** The source of the stream for the client, which calls `start`, `pull` and `cancel`. */
export class RelayClient implements UnderlyingDefaultSource<Uint8Array> {
  readonly #relay: Told;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  /**
   * Ends the stream's `pull`. While one is under way the stream makes no other: of a client that takes chunks as they come nobody
   * is told at each that it wants the next one (docs/performance-notes.md).
   */
  #endPull: (() => void) | undefined;
  /** Whether the client was sent something since that `pull`: whether it wants more is not known then. */
  #isFed = false;
  #quietSinceMs = steadyMs();
  #stalledSinceMs: number | undefined;

  constructor(relay: Told) {
    this.#relay = relay;
  }

  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(this, NO_QUEUE);
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
  }

  pull(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#endPull = resolve;
    this.#isFed = false;
    // It has read all that it was sent, though it may be behind again before the next tick.
    this.#stalledSinceMs = undefined;
    this.#relay.wanted();
    return promise;
  }

  cancel(): void {
    // It may leave while the answer is stored, after which it would be closed.
    this.#controller = undefined;
    this.#relay.clientGone();
  }

  /** Whether there is a client that still reads. */
  get isReading(): boolean {
    return this.#controller !== undefined;
  }

  /** Whether the queue has bytes that the client has not read. */
  get isBehind(): boolean {
    return (this.#controller?.desiredSize ?? 0) < 0;
  }

  /** @returns whether the client is behind now. */
  send(bytes: Uint8Array): boolean {
    this.#isFed = true;
    this.#quietSinceMs = lastTickMs();
    try {
      this.#controller?.enqueue(bytes);
    } catch {
      // A stream that broke without notice accepts nothing more; the answer ends as it would have.
      this.#controller = undefined;
    }
    const { isBehind } = this;
    if (isBehind) this.#askAnew();
    return isBehind;
  }

  /** Has the stream say again when the client wants more. */
  #askAnew(): void {
    this.#endPull?.();
    this.#endPull = undefined;
    this.#isFed = false;
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

  /** Milliseconds since bytes were last sent, or a tenth of a second more. */
  quietMs(nowMs: number): number {
    return nowMs - this.#quietSinceMs;
  }

  /**
   * Whether the client has read nothing for so long that it counts as disconnected. Call it at each tick of the clock.
   */
  isStalled(nowMs: number): boolean {
    // If a comment is still in the queue, the client has not read it.
    const isHalted = this.#endPull === undefined || this.isBehind;
    const isWaiting = !isHalted && !this.#isFed;
    if (!this.isReading || isWaiting) this.#stalledSinceMs = undefined;
    // It has taken all but the last of what it was sent, or it would be behind.
    else if (!isHalted && this.quietMs(nowMs) < ASK_MS) this.#stalledSinceMs = nowMs;
    else {
      this.#stalledSinceMs ??= nowMs;
      this.#askAnew();
    }
    return nowMs - (this.#stalledSinceMs ?? nowMs) >= STALLED_MS;
  }
}
