/**
 * The model behind an agent under test: an OpenAI-compatible API on loopback. The newest user message selects the answer,
 * by the same words as in the demo agent, because the same cases test the demo agent, which calls no model.
 */

export interface Model extends AsyncDisposable {
  /** Base URL; ends in `/v1`. */
  readonly url: string;
  readonly key: string;
  readonly name: string;
  /** Returns the number of streamed answers that are being sent now. */
  open(): number;
}

const PACE_MS = 20;
/** At `PACE_MS` each, these take longer than any case waits. */
const SLOW_WORDS = 10_000;

interface Message {
  readonly role?: string;
  readonly content?: unknown;
}

/**
 * Returns the pieces of the answer. `slow`: counts for minutes. `echo word-N`: repeats `word-N`. Anything else: repeats all
 * user messages. An agent may add messages after the user's, so all user messages since the last answer are searched.
 */
function answerFor(messages: readonly Message[]): readonly string[] {
  const textOf = (some: readonly Message[]) =>
    some.filter(({ role }) => role === 'user').map(({ content }) => JSON.stringify(content));
  const turn = textOf(messages.slice(messages.findLastIndex(({ role }) => role === 'assistant') + 1)).join(' ');
  if (/\bslow\b/.test(turn)) return Array.from({ length: SLOW_WORDS }, (_, index) => `${index + 1} `);
  const word = /\becho (word-\d+)/.exec(turn)?.[1];
  return word === undefined ? ['You ', 'said: ', ...textOf(messages)] : [word];
}

export function startModel(): Model {
  const key = 'sk-conformance-model';
  const open = new Set<Request>();
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      if (!new URL(request.url).pathname.endsWith('/chat/completions'))
        return Response.json({ object: 'list', data: [] });
      const { messages = [], stream, model } = await request.json();
      const pieces = answerFor(messages);
      if (!stream) return Response.json(completion(model, pieces.join('')));
      open.add(request);
      const events = eventsOf(model, pieces, request.signal);
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          const { done, value } = await events.next();
          if (!done) return controller.enqueue(new TextEncoder().encode(`data: ${value}\n\n`));
          open.delete(request);
          if (!request.signal.aborted) controller.close();
        },
        async cancel() {
          await events.return();
          open.delete(request);
        },
      });
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}/v1`,
    key,
    name: 'conformance-model',
    open: () => open.size,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

async function* eventsOf(model: string, pieces: readonly string[], signal: AbortSignal): AsyncGenerator<string, void> {
  const chunk = (delta: object, finish: string | null = null) =>
    JSON.stringify({
      ...{ id: 'chatcmpl-conformance', object: 'chat.completion.chunk', created: 0, model },
      choices: [{ index: 0, delta, finish_reason: finish }],
    });
  yield chunk({ role: 'assistant', content: '' });
  for (const content of pieces) {
    if (signal.aborted) return;
    yield chunk({ content });
    if (pieces.length === SLOW_WORDS) await Bun.sleep(PACE_MS);
  }
  yield chunk({}, 'stop');
  yield '[DONE]';
}

function completion(model: string, content: string): object {
  return {
    ...{ id: 'chatcmpl-conformance', object: 'chat.completion', created: 0, model },
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  };
}
