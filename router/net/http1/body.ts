/** The body of an answer as its connection gives it. */
import type { Body, Sink } from '../body';

/** Where a body comes from. */
export interface Source {
  pause(): void;
  resume(): void;
  /** Nobody wants the rest. */
  cancel(): void;
}

/** The body of one answer, for as long as the connection is this answer's. */
export class WireBody implements Body {
  #connection: Source | undefined;
  #sink: Sink | undefined;
  /** What has come before anybody reads. */
  #held: Uint8Array[] = [];
  #ending: ((sink: Sink) => void) | undefined;

  constructor(connection: Source) {
    this.#connection = connection;
  }

  read(sink: Sink): void {
    this.#sink = sink;
    const held = this.#held;
    this.#held = [];
    // First, so that whoever pauses in the middle of what was held has paused.
    if (held.length > 1) this.resume();
    for (const bytes of held) this.#sink?.chunk(bytes);
    if (this.#ending) this.#tellEnding(this.#ending);
  }

  pause(): void {
    this.#connection?.pause();
  }

  resume(): void {
    this.#connection?.resume();
  }

  cancel(): void {
    this.#sink = undefined;
    this.#held = [];
    this.#ending = undefined;
    this.#connection?.cancel();
    this.#connection = undefined;
  }

  push(bytes: Uint8Array): void {
    if (this.#sink) {
      this.#sink.chunk(bytes);
      return;
    }
    this.#held.push(bytes);
    // The first one comes along with the head.
    if (this.#held.length > 1) this.pause();
  }

  finish(): void {
    this.#tellEnding((sink) => sink.end());
  }

  break(cause: unknown): void {
    this.#tellEnding((sink) => sink.lost(cause));
  }

  #tellEnding(ending: (sink: Sink) => void): void {
    this.#connection = undefined;
    const sink = this.#sink;
    this.#ending = sink ? undefined : ending;
    this.#sink = undefined;
    if (sink) ending(sink);
  }
}
