/**
 * Bodies on their way: pushed chunk by chunk to whoever reads them, and held back where that one says so. A stream of the
 * web platform costs a promise or two for each chunk; this costs a call.
 */

/** Who reads a body. Told its chunks in order, then once `end` or `lost`, then nothing. */
export interface Sink {
  chunk(bytes: Uint8Array): void;
  end(): void;
  /** The body broke off. */
  lost(cause: unknown): void;
}

export interface Body {
  /** Begins. To be called once; `sink` may be told something before it returns. */
  read(sink: Sink): void;
  /** No more for now. What is under way at that moment may still come. */
  pause(): void;
  resume(): void;
  /** Nobody wants the rest: the sink is told nothing more. */
  cancel(): void;
}

/** What makes one body of another. What it throws is how the body made of it breaks off. */
export interface Step {
  chunk(bytes: Uint8Array): Uint8Array;
  /** What is left to say after the last chunk. */
  end(): Uint8Array;
}

/** The body that `step` makes of `source`, chunk by chunk; a chunk of which nothing is made is not told. */
export function mapBody(source: Body, step: Step): Body {
  let isCancelled = false;
  return {
    read(sink) {
      const made = (make: () => Uint8Array): boolean => {
        try {
          const bytes = make();
          if (bytes.length > 0) sink.chunk(bytes);
          return true;
        } catch (cause) {
          source.cancel();
          sink.lost(cause);
          return false;
        }
      };
      source.read({
        chunk: (bytes) => void made(() => step.chunk(bytes)),
        // Whoever reads may have cancelled at the last word.
        end: () => made(() => step.end()) && !isCancelled && sink.end(),
        lost: (cause) => sink.lost(cause),
      });
    },
    pause: () => source.pause(),
    resume: () => source.resume(),
    cancel() {
      isCancelled = true;
      source.cancel();
    },
  };
}

/** A body that is there already. */
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

/** A stream of the web platform as a body; none is an empty one. */
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
      // It may be the reader's own fault, and the stream still there.
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

/** A body as a stream of the web platform, for what only knows those. */
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

/** A whole body. Rejects with the cause when it breaks off. */
export function readBytes(body: Body): Promise<Uint8Array<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    body.read({
      chunk: (bytes) => void chunks.push(bytes),
      end: () => resolve((chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)) as Uint8Array<ArrayBuffer>),
      lost: reject,
    });
  });
}

/** The text of a body, of a long one its first `maxBytes` at most, of one that is cut what there was. */
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
    // Whoever asks wants to know why there is no answer; half a reason is better than none.
    lost: () => resolve(text),
  });
  return promise;
}
