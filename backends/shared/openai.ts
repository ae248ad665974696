/** The part of OpenAI's chat API that an agent needs: requests, answers and errors. */
import { isRecord } from './json';
import { merge } from './merge';

/** A list of content parts (text, images) is kept unchanged; `textOf` returns the text in it. */
export type Content = string | readonly Readonly<Record<string, unknown>>[];

/** A message, unchanged. Members that the agent does not know are passed to the model, which may need them. */
export interface Message {
  readonly role: 'system' | 'user' | 'assistant' | 'tool' | 'function';
  /** Empty in a message of an assistant that only called tools. */
  readonly content?: Content | null;
  /** In a message of an assistant that called tools of the client. */
  readonly tool_calls?: unknown;
  /** In a message of a tool: id of the call that it answers. */
  readonly tool_call_id?: string;
  readonly [member: string]: unknown;
}

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly [detail: string]: unknown;
}

export type Members = Readonly<Record<string, unknown>>;

/** One step of an answer. An empty step opens the answer before there is text. */
export interface Piece {
  readonly text?: string;
  /** Reasoning: sent as `reasoning_content`, never stored. */
  readonly reasoning?: string;
  readonly toolCalls?: readonly ToolCallPart[];
  /** A report of the agent's own tool, which only streams have. */
  readonly toolReport?: ToolReport;
  readonly usage?: Usage;
  /** OpenAI's `finish_reason`; `stop` if no piece sets it. */
  readonly finish?: string;
  /** Further members from the model, passed to the client unchanged: of the delta, of the choice and of the chunk. */
  readonly deltaMore?: Members;
  readonly choiceMore?: Members;
  readonly chunkMore?: Members;
}

/** That a call of an agent's own tool has begun, or with its result that it has ended or failed. */
interface ToolReport {
  readonly toolCallId: string;
  readonly tool: string;
  readonly status: 'running' | 'completed' | 'failed';
  readonly arguments?: object;
  readonly result?: string;
}

/**
 * A piece of a tool call, as OpenAI streams them: pieces with the same `index` form one call, and the first of them has
 * its id and type.
 */
export interface ToolCallPart {
  readonly index: number;
  readonly id?: string;
  readonly type?: string;
  readonly function?: { readonly name?: string; readonly arguments?: string; readonly [member: string]: unknown };
  readonly [member: string]: unknown;
}

export interface ChatRequest {
  readonly model: string | undefined;
  readonly messages: readonly Message[];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly streamOptions: Members;
  /** The other members of the body, unchanged: `temperature`, `max_tokens` and so on. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

interface AgentErrorOptions {
  readonly type?: string;
  readonly param?: string;
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error for the client to read: a status before the answer has begun, an error event afterwards. */
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

/** Returns OpenAI's error object. For an error that is no `AgentError` it contains no details. */
export function errorBody(error: unknown): object {
  const known = error instanceof AgentError ? error : new AgentError(500, 'The agent failed. Its log says why.');
  const { type, param, code } = known.options;
  const usual = known.status < 500 ? 'invalid_request_error' : 'server_error';
  return { error: { message: known.message, type: type ?? usual, param: param ?? null, code: code ?? null } };
}

const ROLES = new Set(['system', 'user', 'assistant', 'tool', 'function']);

/**
 * Reads the body of `POST /v1/chat/completions`. Throws an `AgentError` with status 400 that names the invalid member.
 */
export function parseChatRequest(body: unknown): ChatRequest {
  if (!isRecord(body)) throw new AgentError(400, 'The body must be a JSON object.');
  const { model, messages, stream, stream_options: streamOptions, ...parameters } = body;
  if (!Array.isArray(messages)) throw new AgentError(400, 'messages must be a list.', { param: 'messages' });
  return {
    model: typeof model === 'string' && model !== '' ? model : undefined,
    messages: messages.map(parseMessage),
    stream: stream === true,
    includeUsage: isRecord(streamOptions) && streamOptions.include_usage === true,
    streamOptions: isRecord(streamOptions) ? streamOptions : {},
    parameters,
  };
}

function parseMessage(value: unknown, index: number): Message {
  const wrong = (what: string) => new AgentError(400, `messages[${index}]: ${what}`, { param: `messages[${index}]` });
  if (!isRecord(value)) throw wrong('must be an object.');
  const role = value.role === 'developer' ? 'system' : value.role;
  if (!ROLES.has(String(role))) throw wrong('the role must be system, developer, user, assistant, tool or function.');
  const { content } = value;
  const isContent =
    content == null || typeof content === 'string' || (Array.isArray(content) && content.every(isRecord));
  if (!isContent) throw wrong('the content must be text or a list of content parts.');
  if (role === 'tool' && typeof value.tool_call_id !== 'string') {
    throw wrong('a tool says in tool_call_id which call it answers.');
  }
  return { ...value, role } as Message;
}

export function textOf(content: Content | null | undefined): string {
  if (content == null || typeof content === 'string') return content ?? '';
  return content.map((part) => (typeof part.text === 'string' ? part.text : '')).join('');
}

/** Builds the objects of one answer. They share id, time and model. */
export function answerShapes(model: string) {
  const base = { id: `chatcmpl-${crypto.randomUUID()}`, created: Math.floor(Date.now() / 1000), model };
  return {
    chunk: (delta: object, finish: string | null = null, more: Pick<Piece, 'choiceMore' | 'chunkMore'> = {}) => ({
      ...more.chunkMore,
      ...base,
      object: 'chat.completion.chunk',
      choices: [{ ...more.choiceMore, index: 0, delta, finish_reason: finish }],
    }),
    usageChunk: (usage: Usage) => ({ ...base, object: 'chat.completion.chunk', choices: [], usage }),
    completion: ({ message, finish, usage, choiceMore, chunkMore }: Whole) => ({
      ...chunkMore,
      ...base,
      object: 'chat.completion',
      choices: [{ ...choiceMore, index: 0, message, finish_reason: finish }],
      ...(usage && { usage }),
    }),
  };
}

/** The merged answer. */
interface Whole {
  readonly message: Members;
  readonly finish: string;
  readonly usage: Usage | undefined;
  readonly choiceMore: Members;
  readonly chunkMore: Members;
}

/** Merges the pieces of an answer. */
export class Assembly {
  readonly #delta: Record<string, unknown> = {};
  readonly #calls: Record<string, unknown>[] = [];
  readonly #choiceMore: Record<string, unknown> = {};
  #chunkMore: Members = {};
  #text = '';
  #finish = 'stop';
  #usage: Usage | undefined;

  add({ text, reasoning, toolCalls, finish, usage, deltaMore, choiceMore, chunkMore }: Piece): void {
    this.#text += text ?? '';
    merge(this.#delta, { ...deltaMore, ...(reasoning !== undefined && { reasoning_content: reasoning }) });
    for (const { index, ...part } of toolCalls ?? []) {
      const call = this.#calls[index] ?? {};
      this.#calls[index] = call;
      merge(call, part);
    }
    const { logprobs, ...rest } = choiceMore ?? {};
    // Only these members come token by token. Other members of the choice or of the chunk are repeated in each chunk.
    merge(this.#choiceMore, { logprobs });
    Object.assign(this.#choiceMore, rest);
    this.#chunkMore = { ...this.#chunkMore, ...chunkMore };
    this.#finish = finish ?? this.#finish;
    this.#usage = usage ?? this.#usage;
  }

  whole(): Whole {
    const calls = this.#calls.filter(isRecord);
    const content = this.#text === '' && calls.length > 0 ? null : this.#text;
    return {
      message: { ...this.#delta, role: 'assistant', content, ...(calls.length > 0 && { tool_calls: calls }) },
      ...{ finish: this.#finish, usage: this.#usage, choiceMore: this.#choiceMore, chunkMore: this.#chunkMore },
    };
  }
}
