/**
 * Answers `POST /v1/chat/completions`: reads the request, calls the agent, and sends the agent's pieces to the client.
 */
import { readJson } from './json';
import {
  AgentError,
  Assembly,
  answerShapes,
  type ChatRequest,
  errorBody,
  type Message,
  type Piece,
  parseChatRequest,
} from './openai';
import { log } from './runner';
import { checkSessionName, type Sessions } from './sessions';

/** The input of an agent: the conversation, ending with the newest message of the user. */
export interface Turn {
  readonly messages: readonly Message[];
  readonly parameters: ChatRequest['parameters'];
  /** `stream_options` of the request, unchanged. */
  readonly streamOptions: ChatRequest['streamOptions'];
  /** Aborts when the client disconnects. */
  readonly signal: AbortSignal;
  /**
   * The agent sends this as `X-Agent-Work` with the calls of this turn, so that the router counts them for the right
   * API key.
   */
  readonly work?: string;
  /** The name of the conversation, as `X-Agent-Session` has it. Callbacks take it as the id of the conversation. */
  readonly session?: string;
}

export type Pieces = AsyncGenerator<Piece, void, undefined>;

export interface Agent {
  /** Model id in `GET /v1/models`. */
  readonly name: string;
  /**
   * Yields the answer piece by piece. Throws an `AgentError` for an error that the client should read: before the first
   * piece it becomes the HTTP status, after that an error event. Must end when `turn.signal` aborts.
   */
  answer(turn: Turn): Pieces;
  /** The agent answers 503 until this resolves. */
  readonly ready: Promise<void>;
}

/** Hermes Agent's name for it, which clients of agents know. */
const TOOL_EVENT = 'hermes.tool.progress';

/** Thrown by an agent to reset the connection in the middle of the answer. */
export class BrokenConnection extends Error {
  override readonly name = 'BrokenConnection';
}

/**
 * Answers one request. With `X-Agent-Session`, only the messages from the newest user message on are used, and the home
 * has the earlier ones. Without it, the request has the whole conversation.
 */
export async function chat(agent: Agent, sessions: Sessions, request: Request): Promise<Response> {
  const abort = new AbortController();
  request.signal.addEventListener('abort', () => abort.abort(), { once: true });
  const session = request.headers.get('x-agent-session');
  if (session !== null) checkSessionName(session);
  const body = parseChatRequest(readJson(await request.text()));
  const newest = body.messages.findLast((message) => message.role === 'user');
  if (!newest) throw new AgentError(400, 'There is no user message.', { param: 'messages' });

  const messages =
    session === null ? body.messages : recall(body.messages, newest, await sessions.read(session, newest));
  const work = request.headers.get('x-agent-work');
  const named = { ...(work !== null && { work }), ...(session !== null && { session }) };
  const answer = agent.answer({ ...body, messages, signal: abort.signal, ...named });
  const pieces = remembered(answer, abort.signal, async (said) => {
    if (session !== null) await sessions.append(session, [newest, { role: 'assistant', content: said }]);
  });
  const shapes = answerShapes(body.model ?? agent.name);
  if (!body.stream) return Response.json(await collect(pieces, shapes));
  // An error before the first piece becomes an HTTP status, so nothing is sent until there is a piece.
  const opened = prepend(await pieces.next(), pieces);
  return streamed(toEvents(opened, shapes, body.includeUsage), abort);
}

/**
 * Returns the input for a turn in a session. System messages and tool results belong to this turn only and are not
 * stored.
 */
function recall(sent: readonly Message[], newest: Message, history: readonly Message[]): readonly Message[] {
  const isInstruction = ({ role }: Message) => role === 'system';
  const turn = sent.slice(sent.indexOf(newest)).filter((message) => !isInstruction(message));
  return [...sent.filter(isInstruction), ...history, ...turn];
}

/**
 * Passes the pieces on. When the answer ends in any way, passes the text so far to `remember`, if there is any. An
 * answer that calls a tool of the client is not stored, because the turn goes on with the next request.
 */
async function* remembered(pieces: Pieces, signal: AbortSignal, remember: (said: string) => Promise<void>): Pieces {
  const startedMs = performance.now();
  let said = '';
  let isCall = false;
  let outcome = 'cancelled';
  log('turn.started', {});
  try {
    for await (const piece of pieces) {
      said += piece.text ?? '';
      isCall ||= piece.toolCalls !== undefined;
      yield piece;
    }
    outcome = 'finished';
  } catch (error) {
    if (!signal.aborted) {
      outcome = 'failed';
      if (!(error instanceof AgentError || error instanceof BrokenConnection)) console.error(error);
    }
    throw error;
  } finally {
    if (said !== '' && !isCall) await remember(said);
    log(`turn.${outcome}`, { ms: Math.round(performance.now() - startedMs), characters: said.length });
  }
}

async function* prepend(first: IteratorResult<Piece, void>, rest: Pieces): Pieces {
  try {
    if (!first.done) yield first.value;
    yield* rest;
  } finally {
    // Runs also when the caller ends this generator before `rest` is read.
    await rest.return();
  }
}

type Shapes = ReturnType<typeof answerShapes>;

async function collect(pieces: Pieces, shapes: Shapes): Promise<object> {
  const assembly = new Assembly();
  for await (const piece of pieces) assembly.add(piece);
  return shapes.completion(assembly.whole());
}

async function* toEvents(pieces: Pieces, shapes: Shapes, includeUsage: boolean): AsyncGenerator<string> {
  const chunk = (...said: Parameters<Shapes['chunk']>) =>
    event({ ...shapes.chunk(...said), ...(includeUsage && { usage: null }) });
  let finish = 'stop';
  let usage: Piece['usage'];
  yield chunk({ role: 'assistant', content: '' });
  try {
    for await (const piece of pieces) {
      if (piece.toolReport) yield `event: ${TOOL_EVENT}\n${event(piece.toolReport)}`;
      const delta = deltaOf(piece);
      const hasMore = piece.choiceMore ?? piece.chunkMore;
      if (hasMore || Object.keys(delta).length > 0) yield chunk(delta, null, piece);
      finish = piece.finish ?? finish;
      usage = piece.usage ?? usage;
    }
    yield chunk({}, finish);
    if (includeUsage && usage) yield event(shapes.usageChunk(usage));
  } catch (error) {
    if (error instanceof BrokenConnection) throw error;
    yield event(errorBody(error));
  }
  yield 'data: [DONE]\n\n';
}

function deltaOf({ text, reasoning, toolCalls, deltaMore }: Piece): object {
  return {
    ...deltaMore,
    ...(reasoning && { reasoning_content: reasoning }),
    ...(text && { content: text }),
    ...(toolCalls && { tool_calls: toolCalls }),
  };
}

function event(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

/** Sends one event per pull, so that a slow client slows down the answer instead of filling memory. */
function streamed(events: AsyncGenerator<string>, abort: AbortController): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await events.next();
        if (abort.signal.aborted) return;
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      } catch {
        // A `BrokenConnection` resets the connection. `controller.error` gets no reason, because Bun would print it.
        controller.error(undefined);
      }
    },
    async cancel() {
      abort.abort();
      await events.return(undefined);
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' } });
}
