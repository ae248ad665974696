/** Builds the objects of OpenAI's `/v1/responses`: https://platform.openai.com/docs/api-reference/responses/object */

import type { JsonBody } from '../../backends/shape';
import type { Message } from '../../chat/store/conversations';
import type { Tokens } from '../../usage/tokens';
import { JsonList } from './json-list';

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

export type Item = TextItem | CallItem;

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
export interface State {
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

/** Builds a stored answer. The options of its request are not stored. */
export function responseFrom(message: Message, model: string): object {
  const { id, status, failure, createdAtMs, conversationId } = message;
  const [how, itemStatus] = STATUSES[status];
  const requested = { id: `resp_${id}`, createdAtMs, body: { model }, conversationId };
  return responseOf(requested, { status: how, output: outputOf(message, itemStatus), ...(failure && { failure }) });
}

/** The text and the calls of a stored answer, in the order in which they came. */
function outputOf({ id, content, calls }: Message, status: ItemStatus): readonly Item[] {
  const output: Item[] = [];
  const place = (prefix: string) => itemId(prefix, `resp_${id}`, output.length);
  const say = (text: string) => {
    if (text === '') return;
    const item = { id: place('msg'), type: 'message', role: 'assistant', status, text } as const;
    output.push({ ...item, annotations: new JsonList(), logprobs: new JsonList() });
  };
  let told = 0;
  for (const { id: call_id, name, namespace, arguments: args, textLengthBefore, more } of calls ?? []) {
    say(content.slice(told, textLengthBefore));
    told = textLengthBefore;
    output.push({
      id: place('fc'),
      type: 'function_call',
      status,
      call_id,
      name,
      ...(namespace !== undefined && { namespace }),
      arguments: args,
      ...(more && { more }),
    });
  }
  say(content.slice(told));
  return output;
}

/** Id of the item at an index of a response's output. */
export function itemId(prefix: string, responseId: string, index: number): string {
  return `${responseId.replace('resp', prefix)}${index === 0 ? '' : `_${index}`}`;
}

/** The input of a stored answer: the outputs that were sent for it, or those and the user message before it. */
export function inputItems(
  answer: Message,
  before: Message | undefined,
  content: readonly object[],
): readonly { readonly id: string }[] {
  return before?.role === 'user' ? [...itemsOf(before, content), ...resultsOf(answer)] : resultsOf(answer);
}

/**
 * Returns all items of a stored message, with the ids that clients were given.
 * @param given The content of a user's message with its files.
 */
export function itemsOf(message: Message, given?: readonly object[]): readonly { readonly id: string }[] {
  const { id, role, content, status } = message;
  if (role === 'assistant') {
    const output = outputOf(message, STATUSES[status][1]);
    return [...resultsOf(message), ...output.map((item) => ({ ...shown(item), id: item.id }))];
  }
  const parts = given ?? [{ type: 'input_text', text: content }];
  const said = { id: `msg_${id}`, type: 'message', role, status: 'completed', content: parts };
  return [...resultsOf(message), said];
}

function resultsOf({ id, results }: Message): readonly { readonly id: string }[] {
  return (results ?? []).map(({ callId, output }, index) => {
    return { id: `fco_${id}_${index}`, type: 'function_call_output', status: 'completed', call_id: callId, output };
  });
}

const STATUSES: Readonly<Record<Message['status'], readonly [Status, ItemStatus]>> = {
  streaming: ['in_progress', 'in_progress'],
  done: ['completed', 'completed'],
  stopped: ['incomplete', 'incomplete'],
  failed: ['failed', 'incomplete'],
};

/** Returns an item for the client. @param content In place of a message's text. */
export function shown(item: Item, content?: readonly object[]): object {
  if (item.type === 'function_call') {
    const { more, ...call } = item;
    return { ...more, ...call };
  }
  const { id, type, status, role } = item;
  const message = { id, type, status, role };
  return { ...message, content: content ?? [textPart(item)] };
}

export function textPart({ text, isRefusal, annotations, logprobs }: TextItem): object {
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
