/**
 * An answer of `/v1/responses`, made from the chat completion of a runtime that serves chat only: as one object, or as
 * the events of a stream in OpenAI's order.
 * OpenAI's reference: https://platform.openai.com/docs/api-reference/responses-streaming
 */
import { AppError, toStreamedError } from '../../lib/errors';
import { type Tokens, tokensOf } from '../../usage/tokens';
import {
  type Asked,
  type CallItem,
  type Failure,
  type Item,
  type ItemStatus,
  itemId,
  responseOf,
  type Status,
  shown,
  type TextItem,
  textPart,
} from './objects';
import { type ToolNames, toolNames } from './tools';

/** A chat completion, or a chunk of one, as a runtime sent it: nothing in it can be relied upon. */
interface Completion {
  readonly choices?: readonly { readonly delta?: Said; readonly message?: Said; readonly finish_reason?: unknown }[];
  readonly usage?: unknown;
  readonly error?: { readonly message?: unknown; readonly type?: unknown; readonly code?: unknown } | null;
}

interface Said {
  readonly content?: unknown;
  readonly tool_calls?: readonly Call[] | null;
}

interface Call {
  readonly index?: number;
  readonly id?: string;
  readonly function?: { readonly name?: string; readonly arguments?: string };
}

const REASONS: Readonly<Record<string, string>> = { length: 'max_output_tokens', content_filter: 'content_filter' };
const NO_ANSWER: Failure = { message: 'The agent reported an error.', type: 'server_error', code: 'runner_error' };

/** What an item costs beside its text. */
const ITEM_BYTES = 200;

export class ResponseAnswer {
  /** About so many bytes of the answer are kept. */
  size = 0;
  readonly #asked: Asked;
  /** Of the client's namespaces. */
  readonly #names: ToolNames;
  readonly #output: Item[] = [];
  /** Calls by their index in the chat's answer. */
  readonly #calls = new Map<number, CallItem>();
  #sequence = 0;
  #isOpen = false;
  #isEnded = false;
  #finish: unknown;
  #usage: Tokens | undefined;

  constructor(asked: Asked) {
    this.#asked = asked;
    this.#names = toolNames(asked.body);
  }

  /** Whether the last event is out. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** What the body of an answer that was not streamed becomes. Throws `runner_lost` when it is no completion. */
  whole(body: string): object {
    const completion = parsed(body);
    if (!completion)
      throw new AppError('runner_lost', { message: 'The agent answered something that is not an answer.' });
    const choice = completion.choices?.[0];
    const { content, tool_calls } = choice?.message ?? {};
    if (typeof content === 'string' && content !== '') this.#addText().text = content;
    for (const [index, call] of (tool_calls ?? []).entries()) this.#addCall(call, index).arguments = argumentsOf(call);
    this.#usage = tokensOf(completion.usage);
    this.#finish = choice?.finish_reason;
    const failure = this.#failureIn(completion);
    const status = failure ? 'failed' : this.#finalStatus();
    for (const item of this.#output) item.status = status === 'completed' ? 'completed' : 'incomplete';
    return this.#response(status, failure);
  }

  /** The first events. */
  open(): string {
    if (this.#isOpen) return '';
    this.#isOpen = true;
    const response = this.#response('in_progress');
    return this.#event('response.created', { response }) + this.#event('response.in_progress', { response });
  }

  /** Events that say that the answer is being made, for clients that pass over comments. */
  alive(): string {
    if (this.#isEnded) return '';
    return this.open() || this.#event('response.in_progress', { response: this.#response('in_progress') });
  }

  /** What the data of one event of the chat's stream becomes. */
  push(data: string): string {
    if (this.#isEnded) return '';
    if (data === '[DONE]') return this.#end(this.#finalStatus());
    const chunk = parsed(data);
    const choice = chunk?.choices?.[0];
    if (!chunk) return '';
    this.#usage = tokensOf(chunk.usage) ?? this.#usage;
    this.#finish = choice?.finish_reason ?? this.#finish;
    const { content, tool_calls } = choice?.delta ?? {};
    let events = this.open();
    if (typeof content === 'string' && content !== '') events += this.#text(content);
    for (const call of tool_calls ?? []) events += this.#call(call);
    const failure = this.#failureIn(chunk);
    return failure ? events + this.#end('failed', failure) : events;
  }

  /** Lets go of what was said so far, which the end does not tell again then. */
  drop(): void {
    this.#output.length = 0;
    this.#calls.clear();
  }

  /** The events that end a stream before its time: with an error, or because somebody asked for its end. */
  cut(error?: AppError): string {
    if (this.#isEnded) return '';
    return this.open() + (error ? this.#end('failed', toStreamedError(error).error) : this.#end('incomplete'));
  }

  #text(delta: string): string {
    let events = '';
    let item = this.#output.at(-1);
    if (item?.type !== 'message') {
      item = this.#addText();
      events += this.#event('response.output_item.added', {
        output_index: this.#output.length - 1,
        item: shown(item, []),
      });
      events += this.#event('response.content_part.added', { ...this.#place(item), part: textPart('') });
    }
    item.text += delta;
    this.size += delta.length;
    return events + this.#event('response.output_text.delta', { ...this.#place(item), delta, logprobs: [] });
  }

  #call(call: Call): string {
    const index = call.index ?? 0;
    let events = '';
    let item = this.#calls.get(index);
    if (!item) {
      const before = this.#output.at(-1);
      if (before?.type === 'message') events += this.#close(before, 'completed');
      item = this.#addCall(call, index);
      events += this.#event('response.output_item.added', { output_index: this.#output.length - 1, item: shown(item) });
    }
    const delta = argumentsOf(call);
    if (delta === '') return events;
    item.arguments += delta;
    this.size += delta.length;
    const place = { item_id: item.id, output_index: this.#output.indexOf(item) };
    return events + this.#event('response.function_call_arguments.delta', { ...place, delta });
  }

  /** Ends what is open, and the response. A failure is told twice: some clients look for it here, and some there. */
  #end(status: Exclude<Status, 'in_progress'>, failure?: Failure): string {
    this.#isEnded = true;
    const ending = status === 'completed' ? 'completed' : 'incomplete';
    const open = this.#output.filter((item) => item.status === 'in_progress');
    const items = open.map((item) => this.#close(item, ending)).join('');
    const events = items + this.#event(`response.${status}`, { response: this.#response(status, failure) });
    if (!failure) return events;
    const { message, code = null, param = null } = failure;
    return events + this.#event('error', { code, message, param, error: failure });
  }

  #close(item: Item, status: ItemStatus): string {
    item.status = status;
    const said = item.type === 'message' ? this.#textDone(item) : this.#callDone(item);
    return (
      said + this.#event('response.output_item.done', { output_index: this.#output.indexOf(item), item: shown(item) })
    );
  }

  #textDone(item: TextItem): string {
    const place = this.#place(item);
    const text = this.#event('response.output_text.done', { ...place, text: item.text, logprobs: [] });
    return text + this.#event('response.content_part.done', { ...place, part: textPart(item.text) });
  }

  #callDone(item: CallItem): string {
    const { id: item_id, name, arguments: args } = item;
    const output_index = this.#output.indexOf(item);
    return this.#event('response.function_call_arguments.done', { item_id, output_index, name, arguments: args });
  }

  #place(item: Item) {
    return { item_id: item.id, output_index: this.#output.indexOf(item), content_index: 0 };
  }

  #addText(): TextItem {
    const item: TextItem = {
      id: this.#itemId('msg'),
      type: 'message',
      status: 'in_progress',
      role: 'assistant',
      text: '',
    };
    this.#output.push(item);
    this.size += ITEM_BYTES;
    return item;
  }

  #addCall({ id, function: called }: Call, index: number): CallItem {
    const own = this.#itemId('fc');
    const call_id = id || own.replace('fc', 'call');
    const tool = this.#names.get(called?.name ?? '') ?? { name: called?.name ?? '' };
    const item: CallItem = { id: own, type: 'function_call', status: 'in_progress', call_id, ...tool, arguments: '' };
    this.#output.push(item);
    this.#calls.set(index, item);
    this.size += ITEM_BYTES + tool.name.length + call_id.length;
    return item;
  }

  #itemId(prefix: string): string {
    return itemId(prefix, this.#asked.id, this.#output.length);
  }

  #finalStatus(): 'completed' | 'incomplete' {
    return REASONS[String(this.#finish)] === undefined ? 'completed' : 'incomplete';
  }

  #failureIn({ error }: Completion): Failure | undefined {
    if (!error) return this.#finish === 'error' ? NO_ANSWER : undefined;
    const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
    return {
      message: text(error.message) ?? NO_ANSWER.message,
      type: text(error.type) ?? 'server_error',
      code: text(error.code) ?? 'runner_error',
    };
  }

  #response(status: Status, failure?: Failure): object {
    const reason = status === 'incomplete' ? REASONS[String(this.#finish)] : undefined;
    const more = { ...(failure && { failure }), ...(reason !== undefined && { reason }) };
    return responseOf(this.#asked, { status, output: this.#output, usage: this.#usage, ...more });
  }

  #event(type: string, members: object): string {
    const event = { type, sequence_number: this.#sequence, ...members };
    this.#sequence += 1;
    return `event: ${type}\ndata: ${JSON.stringify(event)}\n\n`;
  }
}

function argumentsOf(call: Call): string {
  return call.function?.arguments ?? '';
}

function parsed(data: string): Completion | undefined {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    // A runtime's own events need not be JSON; they are not part of the answer.
    return undefined;
  }
}
