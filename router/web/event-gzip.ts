/** Gzip for a stream of events: what is written so far can be read at once, and events shrink by what is like earlier ones. */
import { constants, createGzip } from 'node:zlib';

/**
 * 48 KB of state for a stream, instead of 256 KB. Events are small, and like those right before them: a window of 8 KB
 * finds that.
 */
const OPTIONS = { windowBits: 13, memLevel: 5 };

export class EventGzip implements Disposable {
  readonly #gzip = createGzip(OPTIONS);
  #written: Uint8Array[] = [];

  constructor() {
    this.#gzip.on('data', (bytes: Uint8Array) => this.#written.push(bytes));
  }

  /** One call at a time. The work is done outside of the event loop. */
  async compress(event: Uint8Array): Promise<Uint8Array> {
    this.#gzip.write(event);
    await new Promise<void>((resolve) => this.#gzip.flush(constants.Z_SYNC_FLUSH, () => resolve()));
    return this.#take();
  }

  /** @returns the last bytes of the stream. */
  async end(): Promise<Uint8Array> {
    await new Promise<void>((resolve) => this.#gzip.once('end', resolve).end());
    return this.#take();
  }

  /** Frees the memory of a stream that is not read to its end. */
  [Symbol.dispose](): void {
    this.#gzip.destroy();
  }

  #take(): Uint8Array {
    const bytes = Buffer.concat(this.#written);
    this.#written = [];
    return bytes;
  }
}

/** Whether the client can read gzip. */
export function acceptsGzip({ headers }: Request): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(headers.get('accept-encoding') ?? '');
}
