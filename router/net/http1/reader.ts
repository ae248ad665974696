/**
 * Reads one HTTP/1.1 answer from a connection (RFC 9112). Strict where another parser might find another answer in the
 * same bytes; a connection with such bytes is not used again.
 */
import { Head, MalformedError } from './head';

/** Bytes of an answer's head, a trailer line or a chunk size line. Node and uvicorn send at most 16 KB. */
const HEAD_BYTES_MAX = 65_536;
const LINE_BYTES_MAX = 4_096;
/** Interim (1xx) answers before the answer. Servers send two or three at most. */
const INTERIMS_MAX = 32;
/** A body that is a smaller part of its bytes than this is copied out of them: a view would keep the whole buffer of the socket. */
const SPARSE = 4;
/**
 * So many bytes are copied in any case: JavaScriptCore has small arrays in its heap, without a buffer, and a view makes
 * it allocate one, which costs more than the copy (docs/performance-notes.md).
 */
const COPIED_BYTES_MAX = 1_000;
const LF = 10;
const CR = 13;
const NOTHING = Buffer.alloc(0);
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [^\r\n]*)?(?=\r\n|$)/;
const CHUNK_SIZE = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?\r\n$/i;

/** `copyWithin`, which takes longer to call than to copy a few bytes. */
function move(bytes: Buffer, to: number, from: number, count: number): void {
  if (count > 16) bytes.copyWithin(to, from, from + count);
  else for (let n = 0; n < count; n += 1) bytes[to + n] = bytes[from + n] as number;
}

/** The bytes of the body from `start` to `end`. */
function bodyIn(bytes: Buffer, start: number, end: number): Buffer {
  const length = end - start;
  if (length === 0) return NOTHING;
  if (length === bytes.length) return bytes;
  if (length > COPIED_BYTES_MAX && length * SPARSE >= bytes.length) return bytes.subarray(start, end);
  const copy = Buffer.allocUnsafeSlow(length);
  bytes.copy(copy, 0, start, end);
  return copy;
}

/** The value of an ASCII hexadecimal digit; -1 for any other byte. */
function hexDigit(byte = 0): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** The part of the answer that comes next. */
type Part = 'head' | 'bytes' | 'chunk size' | 'chunk' | 'chunk end' | 'trailers' | 'until close' | 'nothing';

export class WireReader {
  /** Set when the head is complete. Who has taken it may unset it. */
  head: Head | undefined;
  #part: Part = 'head';
  /** The bytes of an incomplete head or line. */
  #held: Buffer = NOTHING;
  /** Remaining bytes of the body or the chunk. */
  #bytesLeft = 0;
  #trailerBytes = 0;
  #interims = 0;
  #isReusable = false;

  /** @param method the request's method: the answer to `HEAD` has no body. */
  constructor(readonly method: string) {}

  /** Whether the answer is complete. */
  get isWhole(): boolean {
    return this.#part === 'nothing';
  }

  /** Whether the connection may serve another request after this answer. */
  get isReusable(): boolean {
    return this.isWhole && this.#isReusable;
  }

  /**
   * @param bytes owned by the reader from now on: the returned buffer is a part of it.
   * @returns the bytes of the body among them. Throws `MalformedError`.
   */
  push(bytes: Buffer): Buffer {
    let at = 0;
    // Where the body's bytes are collected: later chunks are moved next to the first.
    let start = 0;
    let end = 0;
    while (at < bytes.length) {
      switch (this.#part) {
        case 'head':
          at += this.#readHead(at === 0 ? bytes : bytes.subarray(at));
          break;
        case 'bytes':
        case 'chunk': {
          const count = Math.min(this.#bytesLeft, bytes.length - at);
          if (start === end) start = end = at;
          else move(bytes, end, at, count);
          end += count;
          at += count;
          this.#bytesLeft -= count;
          if (this.#bytesLeft === 0) this.#part = this.#part === 'chunk' ? 'chunk end' : 'nothing';
          break;
        }
        case 'until close':
          return bytes.subarray(at);
        case 'nothing':
          // Surplus bytes: do not reuse the connection.
          this.#isReusable = false;
          at = bytes.length;
          break;
        default:
          at += this.#readLine(bytes, at);
      }
    }
    return bodyIn(bytes, start, end);
  }

  /** The connection was closed. @returns whether the answer is complete, and not cut. */
  close(): boolean {
    if (this.#part === 'until close') this.#part = 'nothing';
    return this.isWhole;
  }

  /** @returns how many of the bytes belong to the head, complete or not. */
  #readHead(bytes: Buffer): number {
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    const end = all.indexOf('\r\n\r\n');
    if (end === -1 || end > HEAD_BYTES_MAX) {
      if (all.length > HEAD_BYTES_MAX) throw new MalformedError('a head that is too long');
      // Copied, because the buffer belongs to the socket.
      this.#held = Buffer.from(all);
      return bytes.length;
    }
    const used = end + 4 - this.#held.length;
    this.#held = NOTHING;
    const text = all.toString('latin1', 0, end);
    const [line, minor, status] = STATUS_LINE.exec(text) ?? [];
    if (line === undefined) throw new MalformedError('no status line');
    this.#begin(new Head(Number(status), text.slice(line.length)), minor === '1');
    return used;
  }

  /** Decides how the body is framed (RFC 9112, 6.3). */
  #begin(head: Head, isPersistent: boolean): void {
    const { status } = head;
    if (status === 101) throw new MalformedError('an upgrade that was not requested');
    // An interim answer: the final answer follows.
    if (status < 200) {
      this.#interims += 1;
      if (this.#interims > INTERIMS_MAX) throw new MalformedError('interim answers without an end');
      return;
    }
    this.head = head;
    this.#isReusable = isPersistent && !/\bclose\b/i.test(head.get('connection') ?? '');
    const coding = head.get('transfer-encoding');
    const length = head.get('content-length');
    if (this.method === 'HEAD' || status === 204 || status === 304) this.#part = 'nothing';
    else if (coding !== null) {
      if (coding.toLowerCase() !== 'chunked') throw new MalformedError(`the transfer coding ${coding}`);
      this.#part = 'chunk size';
      // With both transfer-encoding and content-length, one of them is wrong (RFC 9112, 6.3).
      if (length !== null) this.#isReusable = false;
    } else if (length !== null) {
      if (!/^\d{1,15}$/.test(length)) throw new MalformedError('an invalid content length');
      this.#bytesLeft = Number(length);
      this.#part = this.#bytesLeft === 0 ? 'nothing' : 'bytes';
    } else {
      this.#part = 'until close';
      this.#isReusable = false;
    }
  }

  /** Reads a line between chunks, from `at` on. @returns how many of the bytes belong to it, complete or not. */
  #readLine(bytes: Buffer, at: number): number {
    const plain = this.#held.length === 0 ? this.#readPlainLine(bytes, at) : 0;
    if (plain > 0) return plain;
    const end = bytes.indexOf(LF, at) + 1 || bytes.length;
    if (this.#held.length + end - at > LINE_BYTES_MAX) throw new MalformedError('a line that is too long');
    const isWhole = bytes[end - 1] === LF;
    if (isWhole && this.#held.length === 0) this.#lineRead(bytes.toString('latin1', at, end));
    else {
      this.#held = Buffer.concat([this.#held, bytes.subarray(at, end)]);
      if (isWhole) this.#lineRead(this.#held.toString('latin1'));
      if (isWhole) this.#held = NOTHING;
    }
    return end - at;
  }

  /**
   * Reads a line between chunks as servers write it: a buffer may have 100,000 chunks of one byte. @returns its bytes;
   * 0 for any other line, of which nothing is read.
   */
  #readPlainLine(bytes: Buffer, at: number): number {
    let end = at;
    let size = 0;
    if (this.#part === 'chunk size') {
      for (let digit = hexDigit(bytes[end]); digit >= 0 && end - at < 8; digit = hexDigit(bytes[end])) {
        size = size * 16 + digit;
        end += 1;
      }
      if (end === at) return 0;
    } else if (this.#part !== 'chunk end') return 0;
    if (bytes[end] !== CR || bytes[end + 1] !== LF) return 0;
    if (this.#part === 'chunk end') this.#part = 'chunk size';
    else {
      this.#bytesLeft = size;
      this.#part = size === 0 ? 'trailers' : 'chunk';
    }
    return end + 2 - at;
  }

  #lineRead(line: string): void {
    if (this.#part === 'chunk end') {
      if (line !== '\r\n') throw new MalformedError('a chunk that is longer than it says');
      this.#part = 'chunk size';
    } else if (this.#part === 'trailers') {
      this.#trailerBytes += line.length;
      if (this.#trailerBytes > HEAD_BYTES_MAX) throw new MalformedError('too many trailers');
      if (!line.endsWith('\r\n')) throw new MalformedError('a trailer without the end of a line');
      if (line === '\r\n') this.#part = 'nothing';
    } else {
      const size = CHUNK_SIZE.exec(line)?.[1];
      if (size === undefined) throw new MalformedError('an invalid chunk size');
      this.#bytesLeft = Number.parseInt(size, 16);
      this.#part = this.#bytesLeft === 0 ? 'trailers' : 'chunk';
    }
  }
}
