/** Bodies that are made of others while they are read, a bounded number of bytes in one turn of the event loop. */
import { type Body, LARGE_BYTES, type Sink } from './body';
import { WireBody } from './http1/body';

/** Bytes with which a turn of the event loop ends: a chunk of the kernel has 512 KB, which take long to read. */
const TURN_BYTES = LARGE_BYTES;
/** Bytes of the longest chunk that is passed on at once. */
const CHUNK_BYTES_MAX = 2 * TURN_BYTES;

/** The result of a step for one chunk: bytes, or an iterator whose pieces are made when they are passed on. */
type Made = Uint8Array | Iterator<Uint8Array>;

/** Transforms one body into another. An error that it throws breaks off the new body. */
export interface Step {
  chunk(bytes: Uint8Array): Made;
  /** Returns the bytes that follow the last chunk. */
  end(): Made;
}

/**
 * The body that `step` makes of `source`, chunk by chunk. Empty results are not passed on. Of many pieces at once, those
 * up to `TURN_BYTES`, and the one that reaches them, are passed on in one turn of the event loop.
 */
export function mapBody(source: Body, step: Step): Body {
  return new MappedBody(source, step);
}

/**
 * The body in chunks of at most `CHUNK_BYTES_MAX`, so that what reads them does not keep everybody else waiting. The
 * memory of a longer one is given back when its last piece was taken: garbage of 20 slow readers was 60 MB
 * (docs/performance-notes.md).
 */
export function inTurns(source: Body): Body {
  // Of other sources nobody knows who else has their bytes.
  return new MappedBody(source, source instanceof WireBody ? IN_TURNS_FREED : IN_TURNS);
}

const NOTHING = new Uint8Array();
const IN_TURNS: Step = {
  chunk: (bytes) => (bytes.length <= CHUNK_BYTES_MAX ? bytes : slices(bytes)),
  end: () => NOTHING,
};
const IN_TURNS_FREED: Step = {
  chunk: (bytes) => (bytes.length <= CHUNK_BYTES_MAX ? bytes : freedSlices(bytes)),
  end: () => NOTHING,
};

/** None is shorter than `TURN_BYTES`, so that a turn ends with each. */
function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  const count = Math.floor(bytes.length / TURN_BYTES);
  const length = Math.floor(bytes.length / count);
  let at = bytes.length - (count - 1) * length;
  yield bytes.subarray(0, at);
  for (; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

/** The next piece is asked for in a later turn, and when the reader has resumed: then it has taken the last one. */
function* freedSlices(bytes: Uint8Array): Generator<Uint8Array> {
  yield* slices(bytes);
  // Detaching a buffer frees its memory; a collection would come 30 MB later.
  (bytes.buffer as ArrayBuffer).transfer(0);
}

/** Every answer passes through one: a chunk that is made at once costs two calls, and allocates nothing. */
class MappedBody implements Body, Sink {
  readonly #source: Body;
  readonly #step: Step;
  #sink: Sink | undefined;
  /** Iterators that still have pieces, in order. The source is paused until they are used up. */
  #rest: Iterator<Uint8Array>[] | undefined;
  #ending: ((sink: Sink) => void) | undefined;
  #isPaused = false;
  #isWaiting = false;

  constructor(source: Body, step: Step) {
    this.#source = source;
    this.#step = step;
  }

  read(sink: Sink): void {
    this.#sink = sink;
    this.#source.read(this);
  }

  pause(): void {
    this.#isPaused = true;
    this.#source.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#rest) this.#later();
    else this.#source.resume();
  }

  cancel(): void {
    this.#sink = undefined;
    this.#rest = undefined;
    this.#source.cancel();
  }

  /** Called for each chunk of the source. */
  chunk(bytes: Uint8Array): void {
    try {
      this.#add(this.#step.chunk(bytes));
    } catch (cause) {
      this.#broke(cause);
    }
  }

  /** Called at the end of the source. */
  end(): void {
    try {
      this.#add(this.#step.end());
    } catch (cause) {
      this.#broke(cause);
    }
    if (this.#rest) this.#ending = (sink) => sink.end();
    else this.#taken()?.end();
  }

  /** Called when the source breaks off. */
  lost(cause: unknown): void {
    if (this.#rest) this.#ending = (sink) => sink.lost(cause);
    else this.#taken()?.lost(cause);
  }

  #add(made: Made): void {
    if (made instanceof Uint8Array && !this.#rest) {
      this.#tell(made);
      return;
    }
    this.#rest ??= [];
    this.#rest.push(made instanceof Uint8Array ? [made].values() : made);
    // A paused reader still has its last piece, which is given back when the next one is asked for.
    if (!this.#isWaiting && !this.#isPaused) this.#go();
  }

  /** Passes on what one turn has time for. */
  #go(): void {
    let bytes = 0;
    while (this.#rest && this.#sink) {
      const [first] = this.#rest;
      if (!first) {
        this.#rest = undefined;
        return;
      }
      if (bytes >= TURN_BYTES) {
        this.#source.pause();
        this.#later();
        return;
      }
      const { done, value } = first.next();
      if (done) this.#rest?.shift();
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
      try {
        this.#go();
      } catch (cause) {
        this.#broke(cause);
      }
      if (this.#rest) return;
      const sink = this.#ending && this.#taken();
      if (sink) this.#ending?.(sink);
      else if (!this.#isPaused) this.#source.resume();
    });
  }

  #tell(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#sink?.chunk(bytes);
  }

  /** The reader, which is told nothing after this. It may have cancelled in its last chunk: then there is none. */
  #taken(): Sink | undefined {
    const sink = this.#sink;
    this.#sink = undefined;
    return sink;
  }

  #broke(cause: unknown): void {
    const sink = this.#sink;
    this.cancel();
    sink?.lost(cause);
  }
}
