/** The default program of memory runners. It is healthy at once and answers with the text of the last message. */
import type { Program } from './platform';

export const echo: Program = () => async (request) => {
  const { pathname } = new URL(request.url);
  if (pathname === '/healthz') return new Response('ok');
  if (pathname === '/v1/models') {
    return Response.json({ object: 'list', data: [{ id: 'echo', object: 'model', created: 0, owned_by: 'memory' }] });
  }
  if (pathname === '/v1/chat/completions' && request.method === 'POST') return complete(request);
  return Response.json({ error: { message: 'not found', type: 'invalid_request_error' } }, { status: 404 });
};

interface ChatRequest {
  readonly model?: string;
  readonly stream?: boolean;
  readonly messages?: readonly { readonly role: string; readonly content: string }[];
}

async function complete(request: Request): Promise<Response> {
  const { model = 'echo', stream = false, messages = [] } = (await request.json()) as ChatRequest;
  const content = messages.at(-1)?.content ?? '';
  const base = { id: 'chatcmpl-echo', created: 0, model };
  if (!stream) {
    const choice = { index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' };
    const usage = { prompt_tokens: messages.length, completion_tokens: 1, total_tokens: messages.length + 1 };
    return Response.json({ ...base, object: 'chat.completion', choices: [choice], usage });
  }
  const event = (delta: object, finish_reason: string | null) =>
    `data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
  const pieces = content.match(/\S+\s*|\s+/g) ?? [];
  const events = [
    event({ role: 'assistant', content: '' }, null),
    ...pieces.map((piece) => event({ content: piece }, null)),
    event({}, 'stop'),
    'data: [DONE]\n\n',
  ];
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const text = events[sent++];
      if (text === undefined) controller.close();
      else controller.enqueue(new TextEncoder().encode(text));
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}
