/** A runner whose every chat answer is written by the test, piece by piece. */
import { program } from './router';

export interface ScriptedAnswer {
  readonly request: Request;
  readonly body: { messages: { role: string; content: string }[]; [member: string]: unknown };
  /** A content chunk. */
  say(text: string): void;
  /** Raw bytes of the stream. */
  raw(text: string): void;
  /** The finish chunk, `[DONE]` and the end. */
  finish(): void;
  /** Breaks the connection. */
  cut(): void;
  /** Whether the router has closed the request. */
  readonly closed: Promise<void>;
  readonly isClosed: boolean;
}

export interface Scripted {
  /** For `memoryBackend(name, {}, program)`. */
  readonly program: string;
  /** The next chat request, or one that arrived earlier and was not taken yet. */
  next(): Promise<ScriptedAnswer>;
}

export function scripted(name: string): Scripted {
  const arrived: ScriptedAnswer[] = [];
  const wanted: ((answer: ScriptedAnswer) => void)[] = [];
  const arrive = (answer: ScriptedAnswer) => {
    const taker = wanted.shift();
    if (taker) taker(answer);
    else arrived.push(answer);
  };
  return {
    program: program(name, () => async (request) => {
      if (!new URL(request.url).pathname.endsWith('/chat/completions'))
        return Response.json({ object: 'list', data: [] });
      return answerTo(request, (await request.json()) as ScriptedAnswer['body'], arrive);
    }),
    next() {
      const answer = arrived.shift();
      return answer ? Promise.resolve(answer) : new Promise((resolve) => wanted.push(resolve));
    },
  };
}

function answerTo(request: Request, body: ScriptedAnswer['body'], arrive: (answer: ScriptedAnswer) => void): Response {
  const closed = Promise.withResolvers<void>();
  let isClosed = false;
  const close = () => {
    isClosed = true;
    closed.resolve();
  };
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      const raw = (text: string) => {
        if (!isClosed) controller.enqueue(new TextEncoder().encode(text));
      };
      const chunk = (delta: object, finish: string | null) =>
        raw(
          `data: ${JSON.stringify({ object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`,
        );
      arrive({
        request,
        body,
        raw,
        say: (content) => chunk({ content }, null),
        finish() {
          chunk({}, 'stop');
          raw('data: [DONE]\n\n');
          controller.close();
        },
        cut: () => controller.error(new Error('cut by the test')),
        closed: closed.promise,
        get isClosed() {
          return isClosed;
        },
      });
    },
    cancel: close,
  });
  return new Response(stream, { headers: { 'content-type': 'text/event-stream' } });
}
