/** Builds the objects of OpenAI's `/v1/responses`: https://platform.openai.com/docs/api-reference/responses/object */

import type { JsonBody } from '../../backends/shape';
import type { Tokens } from '../../usage/tokens';
import type { JsonList } from './json-list';
import { sealed } from './thoughts';

/** The request that an answer belongs to. */
export interface Requested {
  /** `resp_` and the id of the answer's message. */
  readonly id: string;
  readonly createdAtMs: number;
  /** The request; the answer repeats its options. */
  readonly body: JsonBody;
  /** Where the answer is stored. */
  readonly conversationId?: string;
}

export type ItemStatus = 'in_progress' | 'completed' | 'incomplete';
export type Status = 'in_progress' | 'completed' | 'incomplete' | 'failed';

export interface TextItem {
  readonly id: string;
  readonly type: 'message';
  status: ItemStatus;
  readonly role: 'assistant';
  text: string;
  /** What the model said beside the text. */
  readonly annotations: JsonList;
  readonly logprobs: JsonList;
  /** The text is the words with which the model refuses. */
  readonly isRefusal?: true;
}

export interface CallItem {
  readonly id: string;
  readonly type: 'function_call';
  status: ItemStatus;
  readonly call_id: string;
  name: string;
  /** The client's namespace, if the tool is a member of one. */
  namespace?: string;
  arguments: string;
  /** Further members from the model, which it needs back with the call. */
  more?: JsonBody;
}

export interface ThoughtItem {
  readonly id: string;
  readonly type: 'reasoning';
  status: ItemStatus;
  text: string;
  /** Whether the client wants it in a form that it sends back without reading it. */
  readonly isSealed?: true;
}

/** An item whose text grows. */
export type WrittenItem = TextItem | ThoughtItem;
export type Item = WrittenItem | CallItem;

/** An error in OpenAI's shape, from the router or from the runtime. */
export interface Failure {
  readonly message: string;
  readonly type?: string;
  readonly code?: string | null;
  readonly param?: string | null;
  /** The status of a refusal that is passed on. */
  readonly status?: number;
  /** Whether a retry of the same request would fail again. */
  readonly should_retry?: false;
}

/** The progress of an answer. */
interface State {
  readonly status: Status;
  readonly output: readonly Item[];
  readonly usage?: Tokens | undefined;
  readonly failure?: Failure;
  /** Why the answer is incomplete. */
  readonly reason?: string;
}

export function responseOf(requested: Requested, { status, output, usage, failure, reason }: State): object {
  const { body } = requested;
  return {
    id: requested.id,
    object: 'response',
    created_at: Math.floor(requested.createdAtMs / 1000),
    status,
    background: false,
    error: failure ? errorOf(failure) : null,
    incomplete_details: reason === undefined ? null : { reason },
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    model: body.model ?? null,
    output: output.map((item) => shown(item)),
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: body.reasoning ?? { effort: null, summary: null },
    store: requested.conversationId !== undefined,
    temperature: body.temperature ?? null,
    text: body.text ?? { format: { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_logprobs: body.top_logprobs ?? 0,
    top_p: body.top_p ?? null,
    truncation: 'disabled',
    usage: usage ? usageOf(usage) : null,
    user: body.user ?? null,
    metadata: body.metadata ?? {},
    ...(requested.conversationId !== undefined && { conversation: { id: requested.conversationId } }),
  };
}

/** Prefixes of the ids of items. */
type Prefix = 'msg' | 'fc' | 'rs';

/**
 * Makes the ids of a response's items. Thoughts are counted by themselves, so that the ids of all others are the same where
 * a thought before the first text was too long to be stored.
 */
export class ItemIds {
  #thoughts = 0;
  #others = 0;

  constructor(readonly responseId: string) {}

  next(prefix: Prefix): string {
    const index = prefix === 'rs' ? this.#thoughts : this.#others;
    if (prefix === 'rs') this.#thoughts += 1;
    else this.#others += 1;
    return `${this.responseId.replace('resp', prefix)}${index === 0 ? '' : `_${index}`}`;
  }
}

/** Returns an item for the client. @param content In place of its text. */
export function shown(item: Item, content?: readonly object[]): object {
  if (item.type === 'function_call') {
    const { more, ...call } = item;
    return { ...more, ...call };
  }
  const { id, type, status } = item;
  const parts = content ?? [textPart(item)];
  if (item.type === 'message') return { id, type, status, role: item.role, content: parts };
  const thought = { id, type, status, summary: [], content: parts };
  return item.isSealed ? { ...thought, encrypted_content: sealed(item.text) } : thought;
}

export function textPart(item: WrittenItem): object {
  if (item.type === 'reasoning') return { type: 'reasoning_text', text: item.text };
  const { text, isRefusal, annotations, logprobs } = item;
  if (isRefusal) return { type: 'refusal', refusal: text };
  return { type: 'output_text', text, annotations, logprobs };
}

/**
 * Returns the error code. Clients decide by it whether to retry. The code of a refusal is kept; a refusal without a
 * code gets OpenAI's code for its kind. Faults of the router or of an agent are `server_error`, which may be temporary.
 */
function errorOf({ message, code, status, should_retry }: Failure): object {
  const usual = status === 429 ? 'rate_limit_exceeded' : should_retry === false ? 'invalid_prompt' : 'server_error';
  const isKnown = status !== undefined || code === 'rate_limit_exceeded' || code === 'insufficient_quota';
  return { code: (isKnown && code) || usual, message };
}

function usageOf({ prompt, completion, cached, reasoning }: Tokens): object {
  return {
    input_tokens: prompt,
    input_tokens_details: { cached_tokens: cached },
    output_tokens: completion,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: prompt + completion,
  };
}
