/** The part of OpenAI's chat API that an agent has to speak: what comes in, what goes out, how errors look. */

/** A list of content parts (text, images) is kept as it came; `textOf` reads the text out of it. */
export type Content = string | readonly Readonly<Record<string, unknown>>[];

export interface Message {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: Content;
  /** Of an assistant that called tools of the client. */
  readonly tool_calls?: readonly Readonly<Record<string, unknown>>[];
  /** Of a tool: the call that it answers. */
  readonly tool_call_id?: string;
}

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

/** One step of an answer. An empty one opens the answer before there is text. */
export interface Piece {
  readonly text?: string;
  /** Thinking aloud: sent as `reasoning_content`, never remembered. */
  readonly reasoning?: string;
  readonly toolCalls?: readonly ToolCallPart[];
  readonly usage?: Usage;
  /** OpenAI's `finish_reason`; `stop` when no piece says otherwise. */
  readonly finish?: string;
}

/** A part of a call of one of the client's tools, as OpenAI streams them: parts with the same `index` make one call. */
export interface ToolCallPart {
  readonly index: number;
  readonly id?: string;
  readonly type?: string;
  readonly function?: { readonly name?: string; readonly arguments?: string };
}

/** What an answer came to. */
export interface Whole {
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCallPart[];
  readonly finish: string;
  readonly usage: Usage | undefined;
}

export interface ChatRequest {
  readonly model: string | undefined;
  readonly messages: readonly Message[];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** The rest of the body, as it came: `temperature`, `max_tokens` and their like. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

interface AgentErrorOptions {
  readonly type?: string;
  readonly param?: string;
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error the client is meant to read: a status before the answer has begun, an error event afterwards. */
export class AgentError extends Error {
  override readonly name = 'AgentError';
  constructor(
    readonly status: number,
    message: string,
    readonly options: AgentErrorOptions = {},
  ) {
    super(message);
  }
}

/** OpenAI's error object. An error that is not an `AgentError` shows nothing of itself. */
export function errorBody(error: unknown): object {
  const known = error instanceof AgentError ? error : new AgentError(500, 'The agent failed. Its log says why.');
  const { type, param, code } = known.options;
  const usual = known.status < 500 ? 'invalid_request_error' : 'server_error';
  return { error: { message: known.message, type: type ?? usual, param: param ?? null, code: code ?? null } };
}

/** Reads the body of `POST /v1/chat/completions`. Throws an `AgentError` with status 400 that names the member. */
export function parseChatRequest(body: unknown): ChatRequest {
  if (!isRecord(body)) throw new AgentError(400, 'The body must be a JSON object.');
  const { model, messages, stream, stream_options: streamOptions, ...parameters } = body;
  if (!Array.isArray(messages)) throw new AgentError(400, 'messages must be a list.', { param: 'messages' });
  return {
    model: typeof model === 'string' && model !== '' ? model : undefined,
    messages: messages.map(parseMessage),
    stream: stream === true,
    includeUsage: isRecord(streamOptions) && streamOptions.include_usage === true,
    parameters,
  };
}

function parseMessage(value: unknown, index: number): Message {
  const wrong = (what: string) => new AgentError(400, `messages[${index}]: ${what}`, { param: `messages[${index}]` });
  if (!isRecord(value)) throw wrong('must be an object.');
  const role = value.role === 'developer' ? 'system' : value.role;
  if (role !== 'system' && role !== 'user' && role !== 'assistant' && role !== 'tool') {
    throw wrong('the role must be system, developer, user, assistant or tool.');
  }
  const content = value.content ?? '';
  const isContent = typeof content === 'string' || (Array.isArray(content) && content.every(isRecord));
  if (!isContent) throw wrong('the content must be text or a list of content parts.');
  const { tool_calls: calls, tool_call_id: id } = value;
  if (role === 'tool') {
    if (typeof id !== 'string') throw wrong('a tool says in tool_call_id which call it answers.');
    return { role, content, tool_call_id: id };
  }
  const called = role === 'assistant' && Array.isArray(calls) && calls.length > 0 && calls.every(isRecord);
  return { role, content, ...(called && { tool_calls: calls }) };
}

export function textOf(content: Content): string {
  if (typeof content === 'string') return content;
  return content.map((part) => (typeof part.text === 'string' ? part.text : '')).join('');
}

/** Builds the objects of one answer, which share id, time and model. */
export function answerShapes(model: string) {
  const base = { id: `chatcmpl-${crypto.randomUUID()}`, created: Math.floor(Date.now() / 1000), model };
  return {
    chunk: (delta: object, finish: string | null = null) => ({
      ...base,
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta, finish_reason: finish }],
    }),
    usageChunk: (usage: Usage) => ({ ...base, object: 'chat.completion.chunk', choices: [], usage }),
    completion: ({ text, reasoning, toolCalls, finish, usage }: Whole) => ({
      ...base,
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: toolCalls.length > 0 && text === '' ? null : text,
            ...(reasoning && { reasoning_content: reasoning }),
            ...(toolCalls.length > 0 && { tool_calls: wholeCalls(toolCalls) }),
          },
          finish_reason: finish,
        },
      ],
      ...(usage && { usage }),
    }),
  };
}

/** The calls that `parts` make, in the order of their index. */
function wholeCalls(parts: readonly ToolCallPart[]): object[] {
  const indexes = [...new Set(parts.map(({ index }) => index))].sort((a, b) => a - b);
  return indexes.map((index) => {
    const own = parts.filter((part) => part.index === index);
    const joined = (member: 'name' | 'arguments') => own.map((part) => part.function?.[member] ?? '').join('');
    const id = own.find((part) => part.id)?.id;
    return { id, type: 'function', function: { name: joined('name'), arguments: joined('arguments') } };
  });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
