/**
 * HTTP/1.1 over plain sockets, for requests to runners. Bun's `fetch` passes every request and every chunk between
 * threads: 15 µs more of a request's 185 µs, and 3 MB instead of 0.9 MB for a slow reader (decisions 0022 and 0030). `fetch`
 * also sends a request again by itself when a resting connection breaks; nothing here is sent twice.
 */
import type { Socket } from 'bun';
import { type Beating, startBeat, stopBeat } from '../../lib/heartbeat';
import { steadyMs } from '../../lib/time';
import type { Body } from '../body';
import { CONNECT_MS, ConnectTimeoutError, NotConnectedError } from '../connect-timeout';
import { type Source, WireBody } from './body';
import type { Head } from './head';
import { WireReader } from './reader';
import { requestBytes, type WireRequest } from './request';

/**
 * Milliseconds for which an idle connection is reused. Node and uvicorn close one after 5 s: a request that crosses
 * with the close would be lost, and a request that may have arrived is not sent again.
 */
const IDLE_MS = 2_000;
/** Milliseconds. A connection that was idle for less cannot have been closed unnoticed. */
const RESTED_MS = 1;
/** Milliseconds. The kernel notices a peer that vanished without closing, however long an agent thinks. */
const KEEP_ALIVE_MS = 60_000;

export interface WireAnswer {
  readonly status: number;
  readonly headers: Pick<Head, 'get'>;
  readonly body: Body;
}

/** Idle connections by destination; the last one in a list was used last. */
const idle = new Map<string, Connection[]>();

/**
 * Sends a request and resolves with the head of its answer. Rejects with the signal's reason; with `NotConnectedError`,
 * before anything was sent; with the error of the connection on which it was sent; or with `MalformedError`. Never sends a
 * request twice.
 */
export async function send(request: WireRequest): Promise<WireAnswer> {
  const { url, address, peer = '', signal, connectMs = CONNECT_MS } = request;
  const hostname = address ?? url.hostname.replace(/^\[|\]$/g, '');
  const bytes = requestBytes(request);
  const destination = `${hostname} ${url.port || 80} ${peer}`;
  signal.throwIfAborted();
  let connection = lastUsed(destination);
  if (connection && connection.restedMs > RESTED_MS) {
    // The peer's close may have arrived and not been read yet. The event loop has read it only after the second turn.
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
    connection = lastUsed(destination);
    signal.throwIfAborted();
  }
  connection ??= await connect({ destination, hostname, port: Number(url.port || 80) }, connectMs, signal);
  return connection.send(request.method, bytes, signal);
}

/** The idle connection that was used last, unless it has rested for too long and its heartbeat has yet to close it. */
function lastUsed(destination: string): Connection | undefined {
  const connection = idle.get(destination)?.at(-1);
  return connection && connection.restedMs < IDLE_MS ? connection : undefined;
}

interface Place {
  readonly destination: string;
  readonly hostname: string;
  readonly port: number;
}

/**
 * Opens a connection. Rejects with `NotConnectedError`, or with the signal's reason; if the caller has aborted meanwhile,
 * the connection is kept for the next request.
 */
function connect({ destination, hostname, port }: Place, limitMs: number, signal: AbortSignal): Promise<Connection> {
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    reject(new NotConnectedError(new ConnectTimeoutError(limitMs)));
  }, limitMs);
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  const left = (connection: Connection) => (isLate || signal.aborted ? connection.keepIdle() : resolve(connection));
  Connection.open(destination, hostname, port)
    .then(left, (cause: unknown) => reject(new NotConnectedError(cause)))
    .finally(() => clearTimeout(timer));
  return promise;
}

/** A request under way. */
interface Exchange {
  readonly reader: WireReader;
  readonly answered: PromiseWithResolvers<WireAnswer>;
  body?: WireBody;
}

class Connection implements Beating, Source {
  #socket: Socket<Connection> | undefined;
  #exchange: Exchange | undefined;
  /** The bytes of the request that the socket has not accepted yet. */
  #unsent: Uint8Array[] = [];
  #isPaused = false;
  #idleSinceMs = 0;
  place: number | undefined;

  /** @param destination the key in `idle`. */
  private constructor(readonly destination: string) {}

  static async open(destination: string, hostname: string, port: number): Promise<Connection> {
    const connection = new Connection(destination);
    connection.#socket = await Bun.connect<Connection>({ hostname, port, socket: handlers, data: connection });
    return connection;
  }

  /** Call it only on an idle or new connection. */
  send(method: string, bytes: readonly Uint8Array[], signal: AbortSignal): Promise<WireAnswer> {
    const exchange: Exchange = { reader: new WireReader(method), answered: Promise.withResolvers() };
    this.#leaveIdle();
    signal.addEventListener('abort', () => this.#exchange === exchange && this.#break(signal.reason));
    this.#exchange = exchange;
    // The signal may have aborted between the end of the connect and now.
    if (signal.aborted) {
      this.#break(signal.reason);
      return exchange.answered.promise;
    }
    this.#unsent = [...bytes];
    this.sent();
    return exchange.answered.promise;
  }

  /** The socket accepts more bytes. */
  sent(): void {
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

  received(bytes: Buffer): void {
    const exchange = this.#exchange;
    // No request is under way: bytes that arrive now must not be taken for the next answer.
    if (!exchange) {
      this.#end('terminate');
      return;
    }
    const { reader, answered } = exchange;
    let piece: Buffer;
    try {
      piece = reader.push(bytes);
    } catch (fault) {
      this.#break(fault);
      return;
    }
    if (reader.head && !exchange.body) {
      exchange.body = new WireBody(this);
      answered.resolve({ status: reader.head.status, headers: reader.head, body: exchange.body });
    }
    if (piece.length > 0) exchange.body?.push(piece);
    // The reader of the body may have cancelled it.
    if (reader.isWhole && this.#exchange === exchange) this.#finish(exchange);
  }

  closed(cause?: unknown): void {
    const exchange = this.#exchange;
    // After a reset, or an error that the reader of the body threw, the answer is not whole.
    if (cause === undefined && exchange?.reader.close()) this.#finish(exchange);
    else this.#break(cause ?? Object.assign(new Error('The connection was closed.'), { code: 'ECONNRESET' }));
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
    const others = idle.get(this.destination);
    if (others) others.push(this);
    else idle.set(this.destination, [this]);
    startBeat(this);
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
    exchange?.answered.reject(cause);
    exchange?.body?.break(cause);
  }

  /** @param how `terminate` resets the connection, so that a peer that is still at work notices. */
  #end(how: 'end' | 'terminate'): void {
    this.#leaveIdle();
    if (idle.get(this.destination)?.length === 0) idle.delete(this.destination);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.[how]();
  }

  #leaveIdle(): void {
    const all = idle.get(this.destination);
    const at = all?.lastIndexOf(this) ?? -1;
    if (!all || at === -1) return;
    stopBeat(this);
    all.splice(at, 1);
  }
}

/** One object for all sockets: Bun keeps a copy of the handlers for each socket that has its own. */
const handlers = {
  // When a handler throws, Bun calls `error`, and the request breaks off.
  open(socket: Socket<Connection>) {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
  },
  data: (socket: Socket<Connection>, bytes: Buffer) => socket.data.received(bytes),
  drain: (socket: Socket<Connection>) => socket.data.sent(),
  close: (socket: Socket<Connection>, cause?: Error) => socket.data.closed(cause),
  error: (socket: Socket<Connection>, cause: Error) => socket.data.closed(cause),
};
