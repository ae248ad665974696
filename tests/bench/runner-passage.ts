/**
 * An agent as thin as one can be: asks the LLM API that its environment names and passes the answer on, byte by byte.
 * One connection to the API for each of a client.
 */
import type { Socket } from 'bun';
import { chatBody, type Script } from './script';

const base = new URL(process.env.LLM_BASE_URL ?? 'http://127.0.0.1:9');

/** A request for a stream at the broker, as it goes over the wire. */
function requestOf({ viaBroker: _, ...script }: Script): string {
  const body = chatBody(script);
  const headers = [
    `POST ${base.pathname}/chat/completions HTTP/1.1`,
    `host: ${base.host}`,
    `authorization: Bearer ${process.env.LLM_API_KEY ?? ''}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return `${headers.join('\r\n')}\r\n\r\n${body}`;
}

export class Passage {
  readonly #client: Pick<Socket, 'write' | 'terminate'>;
  #api: Promise<Socket> | undefined;
  #isOver = false;
  /** What the client has not taken yet. */
  #rest: Buffer | undefined;

  constructor(client: Pick<Socket, 'write' | 'terminate'>) {
    this.#client = client;
  }

  ask(script: Script): void {
    this.#api ??= this.#connect();
    this.#api.then(
      (api) => api.write(requestOf(script)),
      () => this.#client.terminate(),
    );
  }

  /** The client takes more. */
  drained(): void {
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest) this.#pass(rest);
    if (!this.#rest) void this.#api?.then((api) => api.resume());
  }

  /** The client has left. */
  end(): void {
    this.#isOver = true;
    void this.#api?.then((api) => api.terminate()).catch(() => undefined);
  }

  #connect(): Promise<Socket> {
    const lost = () => {
      if (!this.#isOver) this.#client.terminate();
    };
    return Bun.connect({
      hostname: base.hostname,
      port: Number(base.port),
      socket: {
        open: (api) => void api.setNoDelay(true),
        data: (api, bytes) => {
          this.#pass(bytes);
          if (this.#rest) api.pause();
        },
        close: lost,
        error: lost,
      },
    });
  }

  #pass(bytes: Buffer): void {
    const pending = this.#rest ? Buffer.concat([this.#rest, bytes]) : bytes;
    const written = Math.max(0, this.#client.write(pending));
    this.#rest = written < pending.length ? Buffer.from(pending.subarray(written)) : undefined;
  }
}
