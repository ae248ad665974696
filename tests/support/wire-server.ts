/**
 * A server of plain TCP that sends exactly the bytes that a test says, and knows what happened on each connection.
 *
 *     using server = wireServer(({ peer }) => peer.send(answer('ok')));
 *     expect(await textOf(ask(server))).toBe('ok');
 *     expect(server.peers).toHaveLength(1);        // connections, oldest first
 */
import type { Socket } from 'bun';

/** A request as it arrived. */
export interface WireAsked {
  readonly peer: Peer;
  /** How many there were before it, on whatever connection. */
  readonly number: number;
  readonly method: string;
  readonly path: string;
  /** From the request line to the empty line, without it. */
  readonly head: string;
  readonly body: Buffer;
}

export interface WireServer extends Disposable {
  readonly port: number;
  readonly url: string;
  /** Every connection there was. */
  readonly peers: readonly Peer[];
  readonly requests: readonly WireAsked[];
  /** Told each piece as it is read. */
  heard: (peer: Peer) => void;
  /** No more connections. */
  stop(): void;
}

/** One connection, as its server sees it. */
export class Peer {
  /** How many bytes have come. */
  heardBytes = 0;
  /** How many bytes the kernel has taken. */
  sentBytes = 0;
  isClosed = false;
  readonly #socket: Socket<Peer>;
  #unsent: Uint8Array[] = [];
  #last: 'end' | 'terminate' | undefined;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #neededBytes = 0;

  constructor(socket: Socket<Peer>) {
    this.#socket = socket;
  }

  send(data: string | Uint8Array): void {
    this.#unsent.push(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
    this.flush();
  }

  /** Closes when everything is sent. */
  end(): void {
    this.#last = 'end';
    this.flush();
  }

  /** Resets the connection at once. */
  cut(): void {
    this.#socket.terminate();
  }

  /** Sends no more, and goes on reading. */
  halfClose(): void {
    this.#socket.shutdown();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Whether the kernel has taken everything. */
  get isFlushed(): boolean {
    return this.#unsent.length === 0;
  }

  flush(): void {
    for (let next = this.#unsent[0]; next !== undefined; next = this.#unsent[0]) {
      const count = Math.max(0, this.#socket.write(next));
      this.sentBytes += count;
      if (count < next.length) {
        this.#unsent[0] = next.subarray(count);
        return;
      }
      this.#unsent.shift();
    }
    if (this.#last === 'end') this.#socket.end();
  }

  /** @returns the requests that have become whole with these bytes. */
  take(bytes: Buffer): Pick<WireAsked, 'head' | 'body'>[] {
    this.heardBytes += bytes.length;
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    const whole: Pick<WireAsked, 'head' | 'body'>[] = [];
    while (this.#heldBytes > 0 && this.#heldBytes >= this.#neededBytes) {
      const all = Buffer.concat(this.#held);
      this.#held = [all];
      const end = all.indexOf('\r\n\r\n');
      if (end === -1) break;
      const head = all.toString('latin1', 0, end);
      this.#neededBytes = end + 4 + Number(/^content-length: (\d+)$/m.exec(head)?.[1] ?? 0);
      if (all.length < this.#neededBytes) break;
      whole.push({ head, body: all.subarray(end + 4, this.#neededBytes) });
      this.#held = [all.subarray(this.#neededBytes)];
      this.#heldBytes = all.length - this.#neededBytes;
      this.#neededBytes = 0;
    }
    return whole;
  }
}

export function wireServer(reply: (asked: WireAsked) => void, hostname = '127.0.0.1'): WireServer {
  const peers: Peer[] = [];
  const requests: WireAsked[] = [];
  const listener = Bun.listen<Peer>({
    hostname,
    port: 0,
    socket: {
      open(socket) {
        socket.data = new Peer(socket);
        peers.push(socket.data);
      },
      data(socket, bytes) {
        const peer = socket.data;
        for (const { head, body } of peer.take(bytes)) {
          const [method = '', path = ''] = head.split(' ', 2);
          const asked = { peer, number: requests.length, method, path, head, body };
          requests.push(asked);
          reply(asked);
        }
        server.heard(peer);
      },
      drain: (socket) => socket.data.flush(),
      close(socket) {
        socket.data.isClosed = true;
      },
    },
  });
  const server: WireServer = {
    port: listener.port,
    url: `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${listener.port}`,
    peers,
    requests,
    heard: () => undefined,
    stop: () => listener.stop(),
    [Symbol.dispose]: () => listener.stop(true),
  };
  return server;
}

/** An answer of known length. @param headers lines, without their ends. */
export function answer(body: string, headers: readonly string[] = [], status = '200 OK'): string {
  return [`HTTP/1.1 ${status}`, ...headers, `content-length: ${body.length}`, '', body].join('\r\n');
}

/** The same in chunks. */
export function chunked(pieces: readonly (string | Uint8Array)[], headers: readonly string[] = []): Buffer {
  const head = ['HTTP/1.1 200 OK', 'transfer-encoding: chunked', ...headers, '', ''].join('\r\n');
  const chunks = pieces.map((piece) => {
    const bytes = Buffer.from(piece as string, 'latin1');
    return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
  });
  return Buffer.concat([Buffer.from(head), ...chunks, Buffer.from('0\r\n\r\n')]);
}
