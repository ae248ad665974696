/** The upstream model: one streamed chat completion, read piece by piece. */
import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { Pieces, Turn } from '../shared/chat';
import { AgentError, isRecord, type Piece, type ToolCallPart, type Usage } from '../shared/openai';

/** What a client may decide about the completion. Everything else is the agent's business. */
const PARAMETERS = [
  'temperature',
  'top_p',
  'max_tokens',
  'max_completion_tokens',
  'stop',
  'seed',
  'presence_penalty',
  'frequency_penalty',
  'reasoning_effort',
  'response_format',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
];

/** An error message is for people; a page of HTML is not one. */
const ERROR_CHARACTERS_MAX = 2000;

/** So long a server has to end its body after its last event. */
const END_MS = 1_000;

interface Connection {
  /** Ends in `/v1`: the router's broker. */
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly model: string;
}

/** The model behind `connection`. `complete` yields an empty piece once it has accepted the request. */
export function connectModel(connection: Connection): { complete(turn: Turn): Pieces } {
  return { complete: (turn) => complete(connection, turn) };
}

async function* complete(connection: Connection, turn: Turn): Pieces {
  const response = await request(connection, turn);
  yield {};
  let isWhole = false;
  try {
    for await (const data of events(response)) {
      if (data === '[DONE]') return;
      const piece = readChunk(JSON.parse(data), connection);
      isWhole ||= piece.finish !== undefined;
      yield piece;
    }
  } catch (error) {
    if (error instanceof AgentError || turn.signal.aborted) throw error;
    throw lost();
  }
  // Some servers close without [DONE] after the last chunk; an answer without a finish_reason was cut.
  if (!isWhole) throw lost();
}

async function request(connection: Connection, turn: Turn): Promise<Response> {
  const chosen = PARAMETERS.filter((name) => turn.parameters[name] !== undefined);
  const response = await fetch(`${connection.baseUrl.replace(/\/+$/, '')}/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${connection.apiKey}`,
      'content-type': 'application/json',
      ...(turn.work !== undefined && { 'x-agent-work': turn.work }),
    },
    body: JSON.stringify({
      ...Object.fromEntries(chosen.map((name) => [name, turn.parameters[name]])),
      model: connection.model,
      messages: turn.messages,
      stream: true,
      stream_options: { include_usage: true },
    }),
    signal: turn.signal,
    // A model may think for minutes before its first token; who waits decides how long.
    timeout: false,
  }).catch((error) => {
    if (turn.signal.aborted) throw error;
    throw new AgentError(502, 'The model could not be reached.', { code: 'upstream_unreachable' });
  });
  if (!response.ok) throw await refused(response, connection);
  return response;
}

async function* events(response: Response): AsyncGenerator<string> {
  if (!response.body) return;
  const reader = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream())
    .getReader();
  let isDone = false;
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      isDone ||= read.value.data === '[DONE]';
      yield read.value.data;
    }
  } finally {
    void finish(reader, isDone);
  }
}

/**
 * After the last event the body is read to its end, which is at hand: a body that is left before it costs the
 * connection, and is a call that was broken off to everybody who counts calls. Nobody waits for this.
 */
async function finish(reader: ReadableStreamDefaultReader<unknown>, isDone: boolean): Promise<void> {
  const cancel = () => reader.cancel().catch(() => undefined);
  if (!isDone) return cancel();
  const timer = setTimeout(cancel, END_MS);
  try {
    while (!(await reader.read()).done);
  } catch {
    // The answer is whole already.
  } finally {
    clearTimeout(timer);
  }
}

function readChunk(chunk: unknown, connection: Connection): Piece {
  if (!isRecord(chunk)) return {};
  if (isRecord(chunk.error)) throw toError(502, chunk.error, connection);
  const choice: unknown = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined;
  const { delta, finish_reason: finish } = isRecord(choice) ? choice : {};
  const { content, reasoning_content: reasoning, tool_calls: calls } = isRecord(delta) ? delta : {};
  return {
    ...(typeof content === 'string' && { text: content }),
    ...(typeof reasoning === 'string' && { reasoning }),
    ...(Array.isArray(calls) && calls.length > 0 && { toolCalls: calls as ToolCallPart[] }),
    ...(typeof finish === 'string' && { finish }),
    ...(isRecord(chunk.usage) && { usage: chunk.usage as unknown as Usage }),
  };
}

async function refused(response: Response, connection: Connection): Promise<AgentError> {
  const body: unknown = await response.json().catch(() => undefined);
  const error = isRecord(body) && isRecord(body.error) ? body.error : {};
  const retryAfter = response.headers.get('retry-after');
  return toError(response.status, error, connection, retryAfter === null ? {} : { 'retry-after': retryAfter });
}

/** Takes over what people and clients read of OpenAI's error object. Servers like to quote the key: it is cut out. */
function toError(status: number, error: Record<string, unknown>, { apiKey }: Connection, headers = {}): AgentError {
  const plain = (value: unknown) =>
    typeof value === 'string' ? value.replaceAll(apiKey, '[key]').slice(0, ERROR_CHARACTERS_MAX) : undefined;
  const { type, code, param } = { type: plain(error.type), code: plain(error.code), param: plain(error.param) };
  return new AgentError(status, plain(error.message) ?? `The model answered with HTTP ${status}.`, {
    ...(type !== undefined && { type }),
    ...(code !== undefined && { code }),
    ...(param !== undefined && { param }),
    headers,
  });
}

function lost(): AgentError {
  return new AgentError(502, 'The model ended in the middle of its answer.', { code: 'upstream_lost' });
}
