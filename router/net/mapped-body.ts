/** Bodies that are made of others while they are read, a bounded number of bytes in one turn of the event loop. */
import type { Body, Sink } from './body';

/** Bytes that are passed on before others have their turn: a chunk of the kernel has 512 KB, which take long to read. */
const TURN_BYTES = 65_536;

/** What a step makes of a chunk: bytes, or several pieces, each of which is made when it is passed on. */
export type Made = Uint8Array | Iterator<Uint8Array>;

/** Transforms one body into another. An error that it throws breaks off the new body. */
export interface Step {
  chunk(bytes: Uint8Array): Made;
  /** Returns the bytes that follow the last chunk. */
  end(): Made;
}

/**
 * The body that `step` makes of `source`, chunk by chunk. Empty results are not passed on. Of many pieces at once,
 * `TURN_BYTES` are passed on in one turn of the event loop.
 */
export function mapBody(source: Body, step: Step): Body {
  return new MappedBody(source, step);
}

/** The body in chunks of at most `TURN_BYTES`, so that what reads them does not keep everybody else waiting. */
export function inTurns(source: Body): Body {
  return mapBody(source, {
    chunk: (bytes) => (bytes.length <= TURN_BYTES ? bytes : slices(bytes)),
    end: () => new Uint8Array(),
  });
}

function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += TURN_BYTES) yield bytes.subarray(at, at + TURN_BYTES);
}

class MappedBody implements Body {
  #sink: Sink | undefined;
  /** What is still to be made, in order. While there is any, the source is paused. */
  readonly #rest: Iterator<Uint8Array>[] = [];
  #ending: ((sink: Sink) => void) | undefined;
  #isPaused = false;
  #isWaiting = false;

  constructor(
    readonly source: Body,
    readonly step: Step,
  ) {}

  read(sink: Sink): void {
    this.#sink = sink;
    this.source.read({
      chunk: (bytes) => this.#add(() => this.step.chunk(bytes)),
      end: () => {
        this.#add(() => this.step.end());
        this.#endWith((to) => to.end());
      },
      lost: (cause) => this.#endWith((to) => to.lost(cause)),
    });
  }

  pause(): void {
    this.#isPaused = true;
    this.source.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#rest.length > 0) this.#later();
    else this.source.resume();
  }

  cancel(): void {
    this.#sink = undefined;
    this.#rest.length = 0;
    this.source.cancel();
  }

  #add(make: () => Made): void {
    this.#trying(() => {
      const made = make();
      if (!(made instanceof Uint8Array)) this.#rest.push(made);
      else if (this.#rest.length === 0) this.#tell(made);
      else this.#rest.push([made].values());
      if (!this.#isWaiting) this.#go();
    });
  }

  #endWith(ending: (sink: Sink) => void): void {
    this.#ending = ending;
    if (this.#rest.length === 0) this.#end();
  }

  /** Passes on what one turn has time for. */
  #go(): void {
    let bytes = 0;
    for (let [first] = this.#rest; first && this.#sink; [first] = this.#rest) {
      if (bytes >= TURN_BYTES) {
        this.source.pause();
        this.#later();
        return;
      }
      const { done, value } = first.next();
      if (done) this.#rest.shift();
      else {
        this.#tell(value);
        bytes += value.length;
      }
    }
  }

  #later(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    setImmediate(() => {
      this.#isWaiting = false;
      // The next `resume` goes on.
      if (this.#isPaused || !this.#sink) return;
      this.#trying(() => this.#go());
      if (this.#rest.length > 0) return;
      if (this.#ending) this.#end();
      else if (!this.#isPaused) this.source.resume();
    });
  }

  #tell(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#sink?.chunk(bytes);
  }

  /** The sink may have cancelled in its last chunk. */
  #end(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    if (sink) this.#ending?.(sink);
  }

  #trying(work: () => void): void {
    try {
      work();
    } catch (cause) {
      const sink = this.#sink;
      this.cancel();
      sink?.lost(cause);
    }
  }
}
