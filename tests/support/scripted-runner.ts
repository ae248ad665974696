/**
 * A program for memory runners whose answers a test writes itself, byte by byte.
 *
 *     const runner = scriptedRunner('relay-endings');
 *     runner.reply = () => stream.response();
 *     const asked = await runner.request(1);     // what arrived at the runner
 */

import type { RunnerSpec } from '../../drivers/driver';
import { registerProgram } from '../../drivers/memory';
import { until } from './router';
import { event } from './sse';

/** A request that arrived at a runner, other than its probes. */
export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Headers;
  readonly text: string;
  /** Whether the client has disconnected. */
  readonly aborted: boolean;
}

export interface ScriptedRunner {
  /** For `memoryBackend(name, more, program)`. */
  readonly program: string;
  /** Every request, oldest first. */
  readonly requests: readonly Asked[];
  /** The runtime session that the newest request names, of a backend that tells it (`plainAndKeeper`). */
  readonly session: string | undefined;
  /** The environments of all starts, oldest first. */
  readonly specs: readonly RunnerSpec[];
  reply: (asked: Asked) => Response | Promise<Response>;
  /** Resolves with request number `count` (from 1) when it arrives. */
  request(count: number): Promise<Asked>;
}

export function scriptedRunner(program: string): ScriptedRunner {
  const requests: Asked[] = [];
  const specs: RunnerSpec[] = [];
  const runner: ScriptedRunner = {
    program,
    requests,
    specs,
    get session() {
      return requests.at(-1)?.headers.get('x-session') ?? undefined;
    },
    reply: () => completion('Hello.'),
    request: (count) => until(() => requests[count - 1], `the runner was asked ${count} times`),
  };
  registerProgram(program, (spec) => {
    specs.push(spec);
    return async (request) => {
      const { pathname, search } = new URL(request.url);
      if (pathname === '/healthz' || (pathname === '/v1/models' && search === '')) return Response.json({ data: [] });
      const { method, headers, signal } = request;
      const text = await request.text();
      const asked = {
        method,
        path: pathname + search,
        headers,
        text,
        get aborted() {
          return signal.aborted;
        },
      };
      requests.push(asked);
      return runner.reply(asked);
    };
  });
  return runner;
}

/** A chat completion that was not streamed. */
export function completion(content: string): Response {
  const choice = { index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' };
  return Response.json({ id: 'c', object: 'chat.completion', created: 0, model: 'm', choices: [choice] });
}

/** A completion that calls tools. */
export function callingCompletion(content: string | null, ...tool_calls: object[]): Response {
  const choice = { index: 0, message: { role: 'assistant', content, tool_calls }, finish_reason: 'tool_calls' };
  return Response.json({ id: 'c', object: 'chat.completion', created: 0, model: 'm', choices: [choice] });
}

/** A call of a client's function, as a chat completion has it. */
export const functionCall = (id: string, name = 'add', args = '{"a":1}') => ({
  ...{ id, type: 'function' as const, function: { name, arguments: args } },
});

/** One event of a streamed chat completion. */
export function chunk(content: string): string {
  const choice = { index: 0, delta: { content }, finish_reason: null };
  return event({ id: 'c', object: 'chat.completion.chunk', created: 0, model: 'm', choices: [choice] });
}

export const DONE = 'data: [DONE]\n\n';

/** A message that a client sends. */
export const user = (content: string) => ({ role: 'user' as const, content });

export interface Pipe {
  readonly body: ReadableStream<Uint8Array>;
  write(data: string | Uint8Array): void;
  close(): void;
  /** Resets the connection. Bytes that have not arrived yet may be lost with it. */
  cut(): void;
  response(init?: ResponseInit): Response;
}

/** A body that a test writes; by default one of server-sent events. */
export function pipe(): Pipe {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(started) {
      controller = started;
    },
    // A test that goes on writing when its request is aborted writes to nobody.
    cancel() {
      controller = undefined;
    },
  });
  return {
    body,
    write: (data) => controller?.enqueue(typeof data === 'string' ? new TextEncoder().encode(data) : data),
    close: () => controller?.close(),
    cut: () => controller?.error(undefined),
    response: (init) => new Response(body, { headers: { 'content-type': 'text/event-stream' }, ...init }),
  };
}

/** Reads a body step by step. */
export class Reading {
  text = '';
  bytes = 0;
  ended = false;
  readonly #hash = new Bun.CryptoHasher('sha256');
  /** The error with which the stream broke, if it did. */
  error: unknown;
  constructor(response: Response) {
    void this.#read(response);
  }
  async #read(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const piece of response.body ?? []) {
        this.bytes += piece.length;
        this.#hash.update(piece);
        this.text += decoder.decode(piece, { stream: true });
      }
    } catch (error) {
      this.error = error ?? new Error('broken');
    }
    this.ended = true;
  }
  /** SHA-256 of all bytes, as hex. Can be called only once. */
  hash(): string {
    return this.#hash.digest('hex');
  }
  /** Resolves when `part` has arrived. */
  async until(part: string): Promise<void> {
    await until(() => this.text.includes(part) || this.ended, `"${part}" arrived`);
    if (!this.text.includes(part)) throw new Error(`The body ended without "${part}": ${this.text}`);
  }
  /** The whole text, when the body has ended. */
  async end(): Promise<string> {
    await until(() => this.ended, 'the body ended');
    return this.text;
  }
}

/** The data of each event as a standard parser sees them, without comments. */
export function eventsOf(text: string): string[] {
  return text
    .split(/\n\n/)
    .map((event) =>
      event
        .split('\n')
        .filter((line) => line.startsWith('data: '))
        .map((line) => line.slice('data: '.length))
        .join('\n'),
    )
    .filter((data) => data !== '');
}
