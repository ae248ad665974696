/**
 * Bodies that are pushed chunk by chunk to a reader, which can pause them. A web stream costs a promise or two for each
 * chunk; this costs a function call.
 */

/** Bytes from which on a chunk is a part of what was read at once, and may be given back when it was taken. */
export const LARGE_BYTES = 32_768;

/** Reads a body. Receives its chunks in order, then exactly one `end` or `lost`, then nothing. */
export interface Sink {
  /** @param bytes valid in this turn of the event loop; where the sink pauses in it, until it resumes. Keep them by `kept`. */
  chunk(bytes: Uint8Array): void;
  end(): void;
  /** The body broke off. */
  lost(cause: unknown): void;
}

export interface Body {
  /** Begins. Call it once; `sink` may receive chunks before it returns. */
  read(sink: Sink): void;
  /** Asks for no more chunks for now. A chunk that is already under way may still arrive. */
  pause(): void;
  resume(): void;
  /** Gives up the rest: the sink receives nothing more. */
  cancel(): void;
}

declare const KEPT: unique symbol;
/** Bytes that stay valid. Declare with it what keeps chunks of a body, and the compiler refuses one that was not copied by `kept`. */
export type KeptBytes = Uint8Array & { readonly [KEPT]: true };

/**
 * The bytes of a chunk for whoever keeps them: a large one is copied, since its memory is given back (`inTurns`). Not for a
 * part of a chunk, which may be short and in the memory of a large one: copy that yourself.
 */
export function kept(bytes: Uint8Array): KeptBytes {
  return (bytes.length < LARGE_BYTES ? bytes : new Uint8Array(bytes)) as KeptBytes;
}

/** A body of bytes that are in memory already. */
export function bodyOf(bytes: Uint8Array): Body {
  let isCancelled = false;
  return {
    read(sink) {
      if (bytes.length > 0) sink.chunk(bytes);
      if (!isCancelled) sink.end();
    },
    pause: () => undefined,
    resume: () => undefined,
    cancel() {
      isCancelled = true;
    },
  };
}

/** A web stream as a body; null is an empty body. */
export function streamBody(stream: ReadableStream<Uint8Array> | null): Body {
  const reader = stream?.getReader();
  let reading: Sink | undefined;
  let isPaused = false;
  let isAsked = false;

  async function pump(): Promise<void> {
    isAsked = true;
    try {
      while (reading && !isPaused) {
        const { done = true, value } = (await reader?.read()) ?? {};
        if (!reading) return;
        if (!done) reading.chunk(value as Uint8Array);
        else end()?.end();
      }
    } catch (cause) {
      // The error may come from the sink, and then the stream is still open.
      void reader?.cancel().catch(() => undefined);
      end()?.lost(cause);
    } finally {
      isAsked = false;
    }
  }

  function end(): Sink | undefined {
    const sink = reading;
    reading = undefined;
    return sink;
  }

  return {
    read(sink) {
      reading = sink;
      void pump();
    },
    pause() {
      isPaused = true;
    },
    resume() {
      isPaused = false;
      if (!isAsked) void pump();
    },
    cancel() {
      reading = undefined;
      void reader?.cancel().catch(() => undefined);
    },
  };
}

/** A body as a web stream, for APIs that take only those. */
export function streamOf(body: Body): ReadableStream<Uint8Array<ArrayBuffer>> {
  let hasBegun = false;
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull(controller) {
        if (hasBegun) body.resume();
        if (hasBegun) return;
        hasBegun = true;
        body.read({
          chunk(bytes) {
            controller.enqueue(bytes as Uint8Array<ArrayBuffer>);
            if ((controller.desiredSize ?? 0) < 0) body.pause();
          },
          end: () => controller.close(),
          lost: (cause) => controller.error(cause),
        });
      },
      cancel: () => body.cancel(),
    },
    { highWaterMark: 0 },
  );
}

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Reads a whole body.
 * @returns its bytes if all of it has arrived, as nearly all short ones have. Rejects with the cause when it breaks off.
 */
export function readBytes(body: Body): Bytes | Promise<Bytes> {
  const whole = new Whole();
  body.read(whole);
  return whole.bytes ?? whole.promise();
}

class Whole implements Sink {
  bytes: Bytes | undefined;
  #chunks: KeptBytes[] = [];
  #cause: { readonly cause: unknown } | undefined;
  #waiting: PromiseWithResolvers<Bytes> | undefined;

  /** For a body that is not whole yet. */
  promise(): Promise<Bytes> {
    if (this.#cause) return Promise.reject(this.#cause.cause);
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  chunk(bytes: Uint8Array): void {
    this.#chunks.push(kept(bytes));
  }

  end(): void {
    const [first] = this.#chunks;
    this.bytes = (first && this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks)) as Bytes;
    this.#waiting?.resolve(this.bytes);
  }

  lost(cause: unknown): void {
    this.#cause = { cause };
    this.#waiting?.reject(cause);
  }
}

/** Reads the text of a body up to about `maxBytes`; if the body is cut, the text that arrived. */
export function readText(body: Body, maxBytes: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const decoder = new TextDecoder();
  let text = '';
  let bytesLeft = maxBytes;
  body.read({
    chunk(chunk) {
      text += decoder.decode(chunk.subarray(0, bytesLeft), { stream: true });
      bytesLeft -= chunk.length;
      if (bytesLeft > 0) return;
      body.cancel();
      resolve(text);
    },
    end: () => resolve(text),
    // The text explains a failed request, and half an explanation is better than none.
    lost: () => resolve(text),
  });
  return promise;
}
