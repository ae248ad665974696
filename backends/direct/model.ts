/** The upstream model: one streamed chat completion, read piece by piece. */
import type { Pieces, Turn } from '../shared/chat';
import { AgentError, type Members } from '../shared/openai';
import { readRefusal, type UpstreamError } from '../shared/upstream-errors';
import { AnswerReader, UpstreamFailure } from './answer';
import { eventsOf, type Said } from './events';

/** Members of a client's request that are answered here, where the model is one and its answer always streamed. */
const OWN = new Set(['model', 'messages', 'stream', 'stream_options']);
const REFUSAL_BYTES_MAX = 65_536;

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
  refuseUnable(turn.parameters);
  const own = new AbortController();
  const response = await request(connection, turn, AbortSignal.any([turn.signal, own.signal]));
  yield {};
  const answer = new AnswerReader();
  try {
    for await (const said of untilDone(response, () => own.abort())) yield answer.read(said);
  } catch (error) {
    if (error instanceof UpstreamFailure) throw toError(502, error.error, connection);
    if (error instanceof AgentError || turn.signal.aborted) throw error;
    throw lost();
  }
  // Some servers close without [DONE] after the last chunk; an answer that does not say why it ended was cut.
  if (!answer.isWhole) throw lost();
}

/** What this agent cannot do. Everything else is for the model to know or to refuse. */
function refuseUnable({ n, modalities }: Turn['parameters']): void {
  const unable = (param: string, what: string) => new AgentError(400, `${param}: ${what}`, { param });
  if (n != null && n !== 1) throw unable('n', 'this agent gives one answer to a message. Leave it out, or send 1.');
  if (Array.isArray(modalities) && modalities.some((kind) => kind !== 'text')) {
    throw unable('modalities', 'this agent answers in text only. Leave it out, or send ["text"].');
  }
}

async function request(connection: Connection, turn: Turn, signal: AbortSignal): Promise<Response> {
  const chosen = Object.entries(turn.parameters).filter(([name]) => !OWN.has(name));
  const response = await fetch(`${connection.baseUrl.replace(/(?<!\/)\/+$/, '')}/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${connection.apiKey}`,
      'content-type': 'application/json',
      ...(turn.work !== undefined && { 'x-agent-work': turn.work }),
    },
    body: JSON.stringify({
      ...Object.fromEntries(chosen),
      model: connection.model,
      messages: turn.messages,
      stream: true,
      // The broker knows which upstreams do not take this, and asks those without.
      stream_options: { ...turn.streamOptions, include_usage: true },
    }),
    signal,
    // A model may think for minutes before its first token; who waits decides how long.
    timeout: false,
  }).catch((error) => {
    if (turn.signal.aborted) throw error;
    throw new AgentError(502, 'The model could not be reached.', { code: 'upstream_unreachable' });
  });
  if (!response.ok) throw await refused(response, connection);
  return response;
}

/** The events up to `[DONE]`. What follows is read to its end and belongs to nobody. */
async function* untilDone(response: Response, stop: () => void): AsyncGenerator<Said> {
  if (!response.body) return;
  const reader = eventsOf(response.body);
  let isDone = false;
  try {
    for (let next = await reader.next(); !next.done; next = await reader.next()) {
      isDone = next.value.data.trim() === '[DONE]';
      if (isDone) return;
      yield next.value;
    }
  } finally {
    if (isDone) void finish(reader, stop);
    else stop();
  }
}

/**
 * After the last event the body is read to its end, which is at hand: a body that is left before it costs the
 * connection, and is a call that was broken off to everybody who counts calls. Nobody waits for this.
 */
async function finish(events: AsyncGenerator<Said>, stop: () => void): Promise<void> {
  const timer = setTimeout(stop, END_MS);
  try {
    while (!(await events.next()).done);
  } catch {
    // The answer is whole already.
  } finally {
    clearTimeout(timer);
  }
}

async function refused(response: Response, connection: Connection): Promise<AgentError> {
  const error = readRefusal(await beginningOf(response)) ?? {
    message: `The model answered with HTTP ${response.status}.`,
  };
  const kept = ['retry-after', 'x-should-retry'].flatMap((name) => {
    const value = response.headers.get(name);
    return value === null ? [] : [[name, value]];
  });
  return toError(response.status, error, connection, Object.fromEntries(kept));
}

async function beginningOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const bytes of response.body ?? []) {
      text += decoder.decode(bytes, { stream: true });
      if (text.length > REFUSAL_BYTES_MAX) break;
    }
  } catch {
    // Half a reason is better than none.
  }
  return text;
}

/** Takes over what people and clients read of an error. Servers like to quote the key: it is cut out. */
function toError(status: number, error: UpstreamError, { apiKey }: Connection, headers: Members = {}): AgentError {
  const { message, ...labels } = Object.fromEntries(
    Object.entries(error).map(([name, value]) => [name, String(value).replaceAll(apiKey, '[key]')]),
  );
  return new AgentError(status, message ?? '', { ...labels, headers: headers as Record<string, string> });
}

function lost(): AgentError {
  return new AgentError(502, 'The model ended in the middle of its answer.', { code: 'upstream_lost' });
}
