/** Gzip for a stream of events: each event can be read at once, and is compressed against those before it. */
import { constants, crc32, createGzip } from 'node:zlib';

/** A window of 8 KB: events are small, and similar to those right before them. */
const OPTIONS = { windowBits: 13, memLevel: 5 };
/** A compressed stream holds some 180 KB. Further streams are not compressed. */
const STREAMS_MAX = 256;

const open = new Set<EventGzip>();

export class EventGzip implements Disposable {
  readonly #gzip = createGzip(OPTIONS);
  #written: Uint8Array[] = [];
  #crc = 0;
  #length = 0;

  /** For the answer to a request, if its client takes gzip and there is room for one more. */
  static for({ headers }: Request): EventGzip | undefined {
    return acceptsGzip(headers) && open.size < STREAMS_MAX ? new EventGzip() : undefined;
  }

  private constructor() {
    open.add(this);
    this.#gzip.on('data', (bytes: Uint8Array) => this.#written.push(bytes));
  }

  /** One call at a time. The work is done outside of the event loop. */
  async compress(event: Uint8Array): Promise<Uint8Array> {
    this.#crc = crc32(event, this.#crc);
    this.#length += event.length;
    this.#gzip.write(event);
    await new Promise<void>((resolve) => this.#gzip.flush(constants.Z_SYNC_FLUSH, () => resolve()));
    const bytes = Buffer.concat(this.#written);
    this.#written = [];
    return bytes;
  }

  /**
   * @returns the last bytes of the stream: an empty last block, the checksum and the length (RFC 1952). Written here, as a
   * router that stops does not wait for a thread. A stream without an event has no bytes at all.
   */
  end(): Uint8Array {
    this[Symbol.dispose]();
    if (this.#length === 0) return new Uint8Array();
    const bytes = new DataView(new ArrayBuffer(10));
    bytes.setUint16(0, 0x0300);
    bytes.setUint32(2, this.#crc, true);
    bytes.setUint32(6, this.#length, true);
    return new Uint8Array(bytes.buffer);
  }

  /** Frees the memory of a stream that is not read to its end. */
  [Symbol.dispose](): void {
    open.delete(this);
    this.#gzip.destroy();
  }
}

/** Whether the client can read gzip. */
export function acceptsGzip(headers: Headers): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(headers.get('accept-encoding') ?? '');
}
