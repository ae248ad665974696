/** What the reader of answers makes of bytes, without a connection. */
import type { Head } from '../../router/net/http1/head';
import { WireReader } from '../../router/net/http1/reader';

export interface Reading {
  readonly status: number | undefined;
  readonly head: Head | undefined;
  /** As latin1: a character for each byte. */
  readonly body: string;
  readonly isWhole: boolean;
  readonly isReusable: boolean;
  /** Whether the end of the connection here is the end of the answer. */
  readonly endsHere: boolean;
}

/**
 * Reads pieces as if each had come by itself. They are kept until the end, as whoever reads a body may: what is
 * overwritten by then is lost. Throws what the reader throws.
 */
export function readPieces(pieces: readonly (string | Uint8Array)[], method = 'GET'): Reading {
  const reader = new WireReader(method);
  const parts = pieces.map((piece) => reader.push(Buffer.from(piece as string, 'latin1')));
  const { head, isWhole, isReusable } = reader;
  const body = Buffer.concat(parts).toString('latin1');
  return { status: head?.status, head, body, isWhole, isReusable, endsHere: reader.close() };
}

/** The same where the answer is in one piece. */
export function readWire(bytes: string | Uint8Array, method?: string): Reading {
  return readPieces([bytes], method);
}
