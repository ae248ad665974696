/** Calls the upstream model: one streamed chat completion, read piece by piece. */
import type { Pieces, Turn } from '../shared/chat';
import { AgentError, type Members } from '../shared/openai';
import { readRefusal, type UpstreamError } from '../shared/upstream-errors';
import { AnswerReader, UpstreamFailure } from './answer';
import { eventsOf, type Said } from './events';

/**
 * Members of a client's request that this agent handles itself: the model is fixed, and the model's answer is always
 * streamed.
 */
const OWN = new Set(['model', 'messages', 'stream', 'stream_options']);
const REFUSAL_BYTES_MAX = 65_536;

/** How long a server may take to end its body after its last event. */
const END_MS = 1_000;

interface Connection {
  /** Base URL of the router's broker; ends in `/v1`. */
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly model: string;
}

/** Returns the model behind `connection`. `complete` yields an empty piece once the model has accepted the request. */
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
  // Some servers close the stream without [DONE] after the last chunk. An answer without a `finish_reason` was cut off.
  if (!answer.isWhole) throw lost();
}

/** Parameters that this agent does not support. The model decides about all others. */
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
      // If an upstream refuses this parameter, the broker leaves it out.
      stream_options: { ...turn.streamOptions, include_usage: true },
    }),
    signal,
    // No timeout: a model may think for minutes before its first token. The client decides how long to wait.
    timeout: false,
  }).catch((error) => {
    if (turn.signal.aborted) throw error;
    throw new AgentError(502, 'The model could not be reached.', { code: 'upstream_unreachable' });
  });
  if (!response.ok) throw await refused(response, connection);
  return response;
}

/** Yields the events up to `[DONE]`. Reads the rest of the body and drops it. */
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
 * Reads the rest of the body after the last event, which has usually arrived already. A body that is not read to its
 * end costs the connection, and looks like an aborted call to servers and to the router's metering. The caller does not
 * await this.
 */
async function finish(events: AsyncGenerator<Said>, stop: () => void): Promise<void> {
  const timer = setTimeout(stop, END_MS);
  try {
    while (!(await events.next()).done);
  } catch {
    // The answer is complete, so errors do not matter here.
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
    // Part of the error text is better than none.
  }
  return text;
}

/** Takes over status, message, type and code of an error. Removes the key, because servers like to quote it. */
function toError(status: number, error: UpstreamError, { apiKey }: Connection, headers: Members = {}): AgentError {
  const { message, ...labels } = Object.fromEntries(
    Object.entries(error).map(([name, value]) => [name, String(value).replaceAll(apiKey, '[key]')]),
  );
  return new AgentError(status, message ?? '', { ...labels, headers: headers as Record<string, string> });
}

function lost(): AgentError {
  return new AgentError(502, 'The model ended in the middle of its answer.', { code: 'upstream_lost' });
}
