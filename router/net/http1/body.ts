/** The body of an answer, as it arrives on its connection. */
import type { Body, Sink } from '../body';

/** The connection that a body arrives on. */
export interface Source {
  pause(): void;
  resume(): void;
  /** Gives up the rest of the answer. */
  cancel(): void;
}

/** The body of one answer, valid while the connection serves this answer. */
export class WireBody implements Body {
  #connection: Source | undefined;
  #sink: Sink | undefined;
  /** Chunks that arrived before `read`. */
  #held: Uint8Array[] = [];
  #ending: ((sink: Sink) => void) | undefined;

  constructor(connection: Source) {
    this.#connection = connection;
  }

  read(sink: Sink): void {
    this.#sink = sink;
    const held = this.#held;
    this.#held = [];
    // Before the loop, so that a pause by the sink inside the loop holds.
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
    // The first chunk may arrive together with the head, so it causes no pause.
    if (this.#held.length > 1) this.pause();
  }

  finish(): void {
    this.#tellEnding(endOf);
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

function endOf(sink: Sink): void {
  sink.end();
}
