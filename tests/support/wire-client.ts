/** The router's own client as tests use it: through its front door, with an answer that is read step by step. */
import { type Body, type KeptBytes, kept, type Sink } from '../../router/net/body';
import { type Outgoing, type OutgoingAnswer, open, UnreachableError } from '../../router/net/outgoing';
import type { WireServer } from './wire-server';

/** Asks a server for `/`, or for what is said. */
export function ask(
  { url }: Pick<WireServer, 'url'>,
  { path = '/', ...more }: Partial<Outgoing> & { readonly path?: string } = {},
): Promise<OutgoingAnswer> {
  return open({ url: url + path, method: 'GET', headers: {}, signal: new AbortController().signal, ...more });
}

/** Whoever reads a body, and remembers everything that it was told. */
export class Reader implements Sink {
  readonly pieces: KeptBytes[] = [];
  bytes = 0;
  /** How the body has ended. More than one word is one too many. */
  readonly endings: ('end' | 'lost')[] = [];
  /** Why it broke off. */
  cause: unknown;
  /** Called for each piece, after it was counted. */
  onChunk: (reader: Reader) => void;
  readonly #ended = Promise.withResolvers<void>();

  constructor(body: Body, onChunk: (reader: Reader) => void = () => undefined) {
    this.onChunk = onChunk;
    body.read(this);
  }

  chunk(bytes: Uint8Array): void {
    this.pieces.push(kept(bytes));
    this.bytes += bytes.length;
    this.onChunk(this);
  }

  end(): void {
    this.endings.push('end');
    this.#ended.resolve();
  }

  lost(cause: unknown): void {
    this.endings.push('lost');
    this.cause = cause;
    this.#ended.resolve();
  }

  get text(): string {
    return Buffer.concat(this.pieces).toString('latin1');
  }

  /** How it has ended, when it has. */
  async ended(): Promise<string> {
    await this.#ended.promise;
    return this.endings.join();
  }
}

/** The whole body of an answer. Rejects with why it broke off. */
export async function textOf(asking: Promise<OutgoingAnswer>): Promise<string> {
  const reader = new Reader((await asking).body);
  if ((await reader.ended()) !== 'end') throw reader.cause;
  return reader.text;
}

/** The error that asking ended with. */
export async function failureOf(asking: Promise<OutgoingAnswer>): Promise<UnreachableError> {
  const error = await asking.then(
    ({ status }) => new Error(`It was answered with ${status}`),
    (thrown: unknown) => thrown,
  );
  if (error instanceof UnreachableError) return error;
  throw error;
}
