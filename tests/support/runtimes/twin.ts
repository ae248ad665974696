/** Shared parts of the runtimes' twins: a home on the disk, sessions in it, and calls to an upstream. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createParser } from 'eventsource-parser';

export interface TwinMessage {
  readonly role: string;
  readonly content: unknown;
}

/** A JSON object of unknown origin. */
export type Json = Readonly<Record<string, unknown>>;

/** Where and how a twin requests text: in tests that is the router's broker. */
export interface Endpoint {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly model: string;
}

/** An upstream that gave no complete answer: its status, or 0 if the answer broke off. */
export class UpstreamError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export const BROKEN_OFF = 'the stream ended before its end';

/** A JSON value in a file of the home; undefined if the file does not exist. Throws for invalid JSON. */
export function readJson(home: string, path: string): unknown {
  const file = join(home, path);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

/** The member at `path` ('a.b.c') of nested objects. */
export function at(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((inner, name) => (typeof inner === 'object' && inner ? (inner as Json)[name] : undefined), value);
}

/** Sessions in a file of the home, which survive the runner. Turns of one session run one after another. */
export class Sessions {
  readonly #queues = new Map<string, Promise<unknown>>();
  constructor(
    readonly home: string,
    readonly file: string,
  ) {}

  get(key: string): readonly TwinMessage[] {
    return this.#all()[key] ?? [];
  }

  keys(): readonly string[] {
    return Object.keys(this.#all());
  }

  append(key: string, ...messages: readonly TwinMessage[]): void {
    const all = { ...this.#all(), [key]: [...this.get(key), ...messages] };
    writeFileSync(join(this.home, this.file), JSON.stringify(all), { mode: 0o600 });
  }

  /** Runs `turn` after the earlier turns of the same session. */
  inTurn<T>(key: string, turn: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(key) ?? Promise.resolve();
    const result = before.then(turn);
    this.#queues.set(
      key,
      result.catch(() => undefined),
    );
    return result;
  }

  #all(): Readonly<Record<string, readonly TwinMessage[]>> {
    return (readJson(this.home, this.file) ?? {}) as Record<string, TwinMessage[]>;
  }
}

/** The pieces of a streamed completion. Throws `UpstreamError`, or the signal's reason. */
export async function* complete(
  endpoint: Endpoint,
  messages: readonly TwinMessage[],
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  const response = await fetch(`${endpoint.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${endpoint.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: endpoint.model, messages, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  if (!response.ok) {
    const body: unknown = await response.json().catch(() => undefined);
    throw new UpstreamError(response.status, String(at(body, 'error.message') ?? `status ${response.status}`));
  }
  const events: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => events.push(data) });
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    for (const data of events.splice(0)) {
      if (data === '[DONE]') return;
      const event: unknown = JSON.parse(data);
      const error = at(event, 'error.message');
      if (error !== undefined) throw new UpstreamError(0, String(error));
      const piece = at(event, 'choices.0.delta.content');
      if (typeof piece === 'string' && piece !== '') yield piece;
    }
  }
  throw new UpstreamError(0, BROKEN_OFF);
}

/** A chunk of a streamed completion; without `delta.role` unless it is given. */
export function chunk(model: string, delta: object, finish: string | null = null, more: object = {}): string {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  return event({ id: 'chatcmpl-twin', object: 'chat.completion.chunk', created: 0, model, choices, ...more });
}

export function event(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

export const DONE = 'data: [DONE]\n\n';

/** A completion in one piece. */
export function whole(model: string, content: string, finish = 'stop', more: object = {}): Json {
  const choices = [{ index: 0, message: { role: 'assistant', content }, finish_reason: finish }];
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
  return { id: 'chatcmpl-twin', object: 'chat.completion', created: 0, model, choices, usage, ...more };
}

/** Server-sent events: `write` is called at once; when it returns, the body ends. */
export function eventStream(write: (send: (text: string) => void, signal: AbortSignal) => Promise<void>): Response {
  const gone = new AbortController();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const send = (text: string) => {
        if (!gone.signal.aborted) controller.enqueue(new TextEncoder().encode(text));
      };
      void write(send, gone.signal).then(
        () => gone.signal.aborted || controller.close(),
        () => gone.signal.aborted || controller.error(undefined),
      );
    },
    cancel: () => gone.abort(),
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

/** The text of a message's content, also if it is a list of parts. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part) => (typeof part?.text === 'string' ? part.text : '')).join(' ');
}

export async function jsonOf(request: Request): Promise<Json | undefined> {
  const body: unknown = await request.json().catch(() => undefined);
  return typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as Json) : undefined;
}

/** The messages of a request, if it has any. */
export function messagesIn(body: Json): readonly TwinMessage[] {
  return Array.isArray(body.messages) ? body.messages : [];
}
