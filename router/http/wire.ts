/**
 * HTTP/1.1 over plain sockets: how runners are asked. Bun's `fetch` hands every request and every chunk from thread to
 * thread, which costs more than all that the router does with them (decision 0022).
 */
import type { Socket } from 'bun';
import type { Body, Sink } from './body';
import { type Beating, startBeat, stopBeat } from './heartbeat';
import { type Head, WireReader } from './wire-reader';

/**
 * An idle connection is used again for so long. Node and uvicorn close one after 5 s: a request that crosses with that
 * would be lost, and what may have arrived is not sent again.
 */
const IDLE_MS = 2_000;
/** One that was in use until just now has not been closed since. */
const RESTED_MS = 1;
/** A peer that has gone without a word is noticed by the kernel, however long an agent thinks. */
const KEEP_ALIVE_MS = 60_000;
/** A body up to this size goes out together with its head. */
const TOGETHER_BYTES_MAX = 65_536;
/** What may stand in a header's value: RFC 9110, 5.5, and DEL, which clients may send us. Anything else could end the line. */
const VALUE = /^[\t\x20-\xff]*$/;
/** Lower case only: another one would be a second header of one that is ours. */
const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
const TARGET = /^[\x21-\x7e]+$/;
/** What says where a request goes and where it ends is this file's affair. */
const OWN_HEADERS = new Set(['accept-encoding', 'host', 'connection', 'content-length', 'transfer-encoding']);

export interface WireRequest {
  readonly method: string;
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer> | undefined;
  readonly signal: AbortSignal;
  /** The IP address to connect to, whatever the URL's host resolves to. */
  readonly address?: string | undefined;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: Pick<Head, 'get'>;
  readonly body: Body;
}

/** Connections that nobody uses now, by where they lead to; the one that was used last is last. */
const idle = new Map<string, Connection[]>();

/**
 * Sends a request and resolves with the head of its answer. Rejects with the signal's reason, with the error of the
 * connection (`code` is the system's word), or with `MalformedError`. Sends nothing a second time.
 */
export async function ask(request: WireRequest): Promise<WireAnswer> {
  const { url, address, signal } = request;
  const hostname = address ?? url.hostname.replace(/^\[|\]$/g, '');
  const bytes = requestBytes(request);
  const destination = `${hostname} ${url.port || 80}`;
  signal.throwIfAborted();
  let connection = idle.get(destination)?.at(-1);
  if (connection && connection.restedMs > RESTED_MS) {
    // Its end may be here and not read yet. Only after the second turn the event loop has looked.
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
    connection = idle.get(destination)?.at(-1);
    signal.throwIfAborted();
  }
  connection ??= await connect(destination, hostname, Number(url.port || 80), signal);
  return connection.ask(request.method, bytes, signal);
}

/** A new connection. Who does not wait for it any more leaves it to the next one. */
function connect(destination: string, hostname: string, port: number, signal: AbortSignal): Promise<Connection> {
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  const left = (connection: Connection) => (signal.aborted ? connection.keepIdle() : resolve(connection));
  Connection.open(destination, hostname, port).then(left, reject);
  return promise;
}

/** A request as it goes over the wire, which asks for no compression; a long body by itself. Throws a `TypeError` for what would be another request. */
function requestBytes({ method, url, headers, body = '' }: WireRequest): readonly Uint8Array[] {
  const target = url.pathname + url.search;
  if (!TARGET.test(target) || !TARGET.test(method)) throw new TypeError('The path or method is not one of HTTP.');
  const content = typeof body === 'string' ? Buffer.from(body) : body;
  let head = `${method} ${target} HTTP/1.1\r\nhost: ${url.host}\r\naccept-encoding: identity\r\n`;
  for (const name in headers) {
    const value = headers[name] ?? '';
    if (OWN_HEADERS.has(name)) continue;
    if (!NAME.test(name)) throw new TypeError('A header has a name that HTTP does not know.');
    if (!VALUE.test(value)) throw new TypeError(`The header ${name} has a value that HTTP does not know.`);
    head += `${name}: ${value}\r\n`;
  }
  if (content.length > 0 || method !== 'GET') head += `content-length: ${content.length}\r\n`;
  head += '\r\n';
  if (content.length > TOGETHER_BYTES_MAX) return [Buffer.from(head, 'latin1'), content];
  const bytes = Buffer.allocUnsafe(head.length + content.length);
  bytes.write(head, 0, 'latin1');
  bytes.set(content, head.length);
  return [bytes];
}

/** A request under way. */
interface Exchange {
  readonly reader: WireReader;
  readonly answered: PromiseWithResolvers<WireAnswer>;
  body?: WireBody;
}

class Connection implements Beating {
  #socket: Socket<Connection> | undefined;
  #exchange: Exchange | undefined;
  /** Of the request, what the socket has not taken yet. */
  #unsent: Uint8Array[] = [];
  #isPaused = false;
  #idleSinceMs = 0;
  place: number | undefined;

  /** @param destination where it leads to. */
  private constructor(readonly destination: string) {}

  static async open(destination: string, hostname: string, port: number): Promise<Connection> {
    const connection = new Connection(destination);
    connection.#socket = await Bun.connect<Connection>({ hostname, port, socket: handlers, data: connection });
    return connection;
  }

  /** To be called only while it is idle or new. */
  ask(method: string, bytes: readonly Uint8Array[], signal: AbortSignal): Promise<WireAnswer> {
    const exchange: Exchange = { reader: new WireReader(method), answered: Promise.withResolvers() };
    this.#leaveIdle();
    signal.addEventListener('abort', () => this.#exchange === exchange && this.#break(signal.reason), { once: true });
    this.#exchange = exchange;
    // Between the end of the wait for a connection and now.
    if (signal.aborted) {
      this.#break(signal.reason);
      return exchange.answered.promise;
    }
    this.#unsent = [...bytes];
    this.sent();
    return exchange.answered.promise;
  }

  /** The socket takes more. */
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
    // Nobody has asked: whatever it is, it must not be taken for the next answer.
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
    // Whoever reads may have cancelled it.
    if (reader.isWhole && this.#exchange === exchange) this.#finish(exchange);
  }

  closed(cause?: unknown): void {
    const exchange = this.#exchange;
    // A reset, and whatever a reader of the body has thrown, is no end of an answer.
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

  /** Nobody wants the rest of the answer. */
  cancel(): void {
    this.#exchange = undefined;
    this.#end('terminate');
  }

  /** To be called only when it has no request under way. */
  keepIdle(): void {
    if (!this.#socket) return;
    this.resume();
    this.#idleSinceMs = Date.now();
    const others = idle.get(this.destination);
    if (others) others.push(this);
    else idle.set(this.destination, [this]);
    startBeat(this);
  }

  get restedMs(): number {
    return Date.now() - this.#idleSinceMs;
  }

  beat(): void {
    if (this.restedMs >= IDLE_MS) this.#end('end');
  }

  #finish({ reader, body }: Exchange): void {
    this.#exchange = undefined;
    // An answer before its request was whole: the peer will not read the rest.
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

  /** @param how `terminate` also tells a peer that is still at work. */
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

/** One for all sockets: Bun keeps a copy for each that comes with its own. */
const handlers = {
  open(socket: Socket<Connection>) {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
  },
  data: (socket: Socket<Connection>, bytes: Buffer) => socket.data.received(bytes),
  drain: (socket: Socket<Connection>) => socket.data.sent(),
  close: (socket: Socket<Connection>, cause?: Error) => socket.data.closed(cause),
  error: (socket: Socket<Connection>, cause: Error) => socket.data.closed(cause),
};

/** The body of one answer, for as long as the connection is this answer's. */
class WireBody implements Body {
  #connection: Connection | undefined;
  #sink: Sink | undefined;
  /** What has come before anybody reads. */
  #held: Uint8Array[] = [];
  #ending: ((sink: Sink) => void) | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  read(sink: Sink): void {
    this.#sink = sink;
    const held = this.#held;
    this.#held = [];
    // First, so that whoever pauses in the middle of what was held has paused.
    if (held.length > 1) this.resume();
    for (const bytes of held) this.#sink?.chunk(bytes);
    if (this.#ending) this.#tellEnding(this.#ending);
  }

  pause(): void {
    this.#connection?.pause();
  }

  resume(): void {
    this.#connection?.resume();
  }

  cancel(): void {
    this.#sink = undefined;
    this.#held = [];
    this.#ending = undefined;
    this.#connection?.cancel();
    this.#connection = undefined;
  }

  push(bytes: Uint8Array): void {
    if (this.#sink) {
      this.#sink.chunk(bytes);
      return;
    }
    this.#held.push(bytes);
    // The first one comes along with the head.
    if (this.#held.length > 1) this.pause();
  }

  finish(): void {
    this.#tellEnding((sink) => sink.end());
  }

  break(cause: unknown): void {
    this.#tellEnding((sink) => sink.lost(cause));
  }

  #tellEnding(ending: (sink: Sink) => void): void {
    this.#connection = undefined;
    const sink = this.#sink;
    this.#ending = sink ? undefined : ending;
    this.#sink = undefined;
    if (sink) ending(sink);
  }
}
