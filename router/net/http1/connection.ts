/** One connection to a server, with one request at a time on it. */
import type { Socket } from 'bun';
import type { Abortable } from '../../lib/abort';
import type { Beating } from '../../lib/heartbeat';
import { steadyMs } from '../../lib/time';
import type { Body } from '../body';
import { NotConnectedError } from '../connect-timeout';
import { type Source, WireBody } from './body';
import type { Head } from './head';
import { addIdle, closeIdle, IDLE_MS, takeIdle } from './idle';
import { WireReader } from './reader';
import { awaitTurn, type InTurn } from './turns';

/**
 * A piece of so many bytes is read at once, not in its turn. Bun reads a socket until it is empty, in pieces of up to 512 KB, and a
 * reader that is behind can only pause it between two of them.
 */
const LARGE_BYTES = 64 * 1_024;
/** Milliseconds. The kernel notices a peer that vanished without closing, however long an agent thinks. */
const KEEP_ALIVE_MS = 60_000;

export interface WireAnswer {
  readonly status: number;
  readonly headers: Pick<Head, 'get'>;
  readonly body: Body;
}

/** A request under way. */
class Exchange {
  readonly reader: WireReader;
  /** Until there is an answer. */
  answered: PromiseWithResolvers<WireAnswer> | undefined = Promise.withResolvers();
  body: WireBody | undefined;

  constructor(
    readonly connection: Connection,
    readonly signal: Abortable,
    method: string,
  ) {
    this.reader = new WireReader(method);
  }

  /** The request is aborted. */
  handleEvent(): void {
    this.connection.abandon(this);
  }
}

export class Connection implements Beating, InTurn, Source {
  #socket: Socket<Connection> | undefined;
  #exchange: Exchange | undefined;
  /** The bytes of the request that the socket has not accepted yet. */
  #unsent: Uint8Array[] = [];
  /** What has come and is not read yet, in order. */
  readonly #arrived: Buffer[] = [];
  /** Whether the request of the exchange has been begun to be sent. */
  #isSending = false;
  #isPaused = false;
  #idleSinceMs = 0;
  place: number | undefined;
  group: Beating['group'];
  isWaiting = false;

  /** @param destination where it leads to: one string for each place to which connections may be used again. */
  private constructor(readonly destination: string) {}

  static async open(destination: string, hostname: string, port: number): Promise<Connection> {
    const connection = new Connection(destination);
    connection.#socket = await Bun.connect<Connection>({ hostname, port, socket: handlers, data: connection });
    return connection;
  }

  /** Call it only on an idle or new connection. */
  send(method: string, bytes: Uint8Array[], signal: Abortable): Promise<WireAnswer> {
    const exchange = new Exchange(this, signal, method);
    const { promise } = exchange.answered as PromiseWithResolvers<WireAnswer>;
    takeIdle(this);
    signal.addEventListener('abort', exchange);
    this.#exchange = exchange;
    // The signal may have aborted between the end of the connect and now.
    if (signal.aborted) {
      this.#break(signal.reason);
      return promise;
    }
    this.#unsent = bytes;
    this.#isSending = false;
    awaitTurn(this);
    return promise;
  }

  /** The request of this exchange was aborted, which may be over. */
  abandon(exchange: Exchange): void {
    if (this.#exchange === exchange) this.#break(exchange.signal.reason);
  }

  /** The socket accepts more bytes. */
  sent(): void {
    this.#isSending = true;
    while (this.#unsent.length > 0) {
      const [next] = this.#unsent as [Uint8Array];
      const count = Math.max(0, this.#socket?.write(next) ?? 0);
      if (count < next.length) {
        this.#unsent[0] = next.subarray(count);
        return;
      }
      this.#unsent.shift();
    }
  }

  arrived(bytes: Buffer): void {
    // Bytes that nobody has asked for must not be taken for the next answer.
    if (!this.#exchange) this.#end('terminate');
    else if (!this.#isSending) this.#break(new NotConnectedError(connectionClosed()));
    else {
      this.#arrived.push(bytes);
      if (bytes.length < LARGE_BYTES) awaitTurn(this);
      else this.#readNow();
    }
  }

  /** Sends and reads what has waited for its turn. */
  turn(): void {
    this.isWaiting = false;
    if (this.#unsent.length > 0) this.sent();
    this.#readArrived();
  }

  /** What is thrown comes from the reader of a body: its answer breaks off. */
  #readNow(): void {
    try {
      this.#readArrived();
    } catch (cause) {
      this.closed(cause);
    }
  }

  #readArrived(): void {
    for (let bytes = this.#arrived.shift(); bytes; bytes = this.#arrived.shift()) this.#received(bytes);
  }

  #received(bytes: Buffer): void {
    const exchange = this.#exchange;
    // The answer before these bytes was whole, or nobody wants the rest of it.
    if (!exchange) {
      this.#end('terminate');
      return;
    }
    const { reader } = exchange;
    let piece: Buffer;
    try {
      piece = reader.push(bytes);
    } catch (fault) {
      this.#break(fault);
      return;
    }
    const { head } = reader;
    if (head) {
      exchange.body = new WireBody(this);
      exchange.answered?.resolve({ status: head.status, headers: head, body: exchange.body });
      // A stream is open for long, and would keep both.
      reader.head = exchange.answered = undefined;
    }
    if (piece.length > 0) exchange.body?.push(piece);
    // The reader of the body may have cancelled it.
    if (reader.isWhole && this.#exchange === exchange) this.#finish(exchange);
  }

  closed(cause?: unknown): void {
    this.#readArrived();
    const exchange = this.#exchange;
    // After a reset, or an error that the reader of the body threw, the answer is not whole.
    if (cause === undefined && exchange?.reader.close()) this.#finish(exchange);
    else if (exchange && !this.#isSending) this.#break(new NotConnectedError(cause ?? connectionClosed()));
    else this.#break(cause ?? connectionClosed());
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket?.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket?.resume();
  }

  /** Gives up the rest of the answer. */
  cancel(): void {
    this.#exchange = undefined;
    this.#end('terminate');
  }

  /** Call it only when no request is under way. */
  keepIdle(): void {
    if (!this.#socket) return;
    this.resume();
    this.#idleSinceMs = steadyMs();
    addIdle(this);
  }

  get restedMs(): number {
    return steadyMs() - this.#idleSinceMs;
  }

  beat(): void {
    if (this.restedMs >= IDLE_MS) this.#end('end');
  }

  #finish({ reader, body }: Exchange): void {
    this.#exchange = undefined;
    // The answer came before the whole request was sent: the peer will not read the rest.
    if (reader.isReusable && this.#unsent.length === 0) this.keepIdle();
    else this.#end('end');
    body?.finish();
  }

  #break(cause: unknown): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#end('terminate');
    exchange?.answered?.reject(cause);
    exchange?.body?.break(cause);
  }

  /** @param how `terminate` resets the connection, so that a peer that is still at work notices. */
  #end(how: 'end' | 'terminate'): void {
    closeIdle(this);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.[how]();
  }
}

function connectionClosed(): Error {
  return Object.assign(new Error('The connection was closed.'), { code: 'ECONNRESET' });
}

/** One object for all sockets: Bun keeps a copy of the handlers for each socket that has its own. */
const handlers = {
  // When a handler throws, Bun calls `error`, and the request breaks off.
  open(socket: Socket<Connection>) {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
  },
  data: (socket: Socket<Connection>, bytes: Buffer) => socket.data.arrived(bytes),
  drain: (socket: Socket<Connection>) => socket.data.sent(),
  close: (socket: Socket<Connection>, cause?: Error) => socket.data.closed(cause),
  error: (socket: Socket<Connection>, cause: Error) => socket.data.closed(cause),
};
