/**
 * Builds an answer of `/v1/responses` from the chat completion of a backend that serves only chat: as one object, or as
 * the events of a stream in OpenAI's order.
 * OpenAI's reference: https://platform.openai.com/docs/api-reference/responses-streaming
 */
import type { CallPart } from '../../../backends/shared/calls';
import { readRefusal } from '../../../backends/shared/upstream-errors';
import { unread } from '../../chat/generations/answer-reader';
import { contentText, refusalText, saidIn } from '../../chat/generations/tool-calls';
import { AppError, toStreamedError } from '../../lib/errors';
import { jsonObject } from '../../lib/json';
import { type Tokens, tokensOf } from '../../usage/tokens';
import { type Details, detailsIn, isOfElse } from './details';
import { failureIn, failureOf, finishIn, reasonOf } from './endings';
import { jsonPieces } from './json-list';
import {
  type CallItem,
  type Failure,
  type Item,
  type ItemStatus,
  type Requested,
  responseOf,
  type Status,
  shown,
  type TextItem,
  textPart,
} from './objects';
import { Output } from './output';

export class ResponseAnswer {
  readonly #requested: Requested;
  readonly #output: Output;
  #sequence = 0;
  #isOpen = false;
  /** Its last events are being made: nothing comes before them any more. */
  #isEnding = false;
  #isEnded = false;
  #finish: unknown;
  #usage: Tokens | undefined;

  constructor(requested: Requested) {
    this.#requested = requested;
    this.#output = new Output(requested);
  }

  /** About the number of bytes of the answer that are kept. */
  get size(): number {
    return this.#output.size;
  }

  /** Whether the last event was made. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** The body for a non-streamed answer, in pieces. Throws `runner_lost` if the chat's body is no completion. */
  whole(body: string): Generator<string> {
    const completion = jsonObject(body);
    if (!completion)
      throw unread(body) ?? new AppError('runner_lost', { message: 'The agent sent an invalid answer.' });
    const said = saidIn(completion) ?? {};
    const [text, refusal] = [contentText(said.content), refusalText(said)];
    if (text !== '') {
      const item = Object.assign(this.#output.addText(false), { text });
      this.#output.addDetails(item, detailsIn(completion, said));
    }
    if (refusal !== '') this.#output.addText(true).text = refusal;
    for (const part of this.#output.readCalls(said.tool_calls)) this.#output.addPart(part);
    this.#usage = tokensOf(completion.usage);
    this.#finish = finishIn(completion);
    const failure = failureIn(completion, this.#finish);
    const status = failure ? 'failed' : this.#finalStatus();
    for (const item of this.#output.items) item.status = status === 'completed' ? 'completed' : 'incomplete';
    return jsonPieces(this.#response(status, failure), this.#output.lists);
  }

  /** Returns the first events. */
  open(): string {
    if (this.#isOpen) return '';
    this.#isOpen = true;
    const response = this.#response('in_progress');
    return this.#event('response.created', { response }) + this.#event('response.in_progress', { response });
  }

  /** Events that say that the answer is in progress, for clients that ignore comments. */
  alive(): string {
    if (this.#isEnding) return '';
    return (
      this.open() || [...this.#pieces('response.in_progress', { response: this.#response('in_progress') })].join('')
    );
  }

  /** The events that one event of the chat's stream becomes. @param name of the event, where it has one. */
  *push(data: string, name?: string): Generator<string> {
    if (this.#isEnding) return;
    if (data.trim() === '[DONE]') {
      yield* this.#end(this.#finalStatus());
      return;
    }
    // A runtime's own events need not be JSON; they are not part of the answer.
    const chunk = jsonObject(data);
    if (!chunk && name !== 'error') return;
    this.#usage = tokensOf(chunk?.usage) ?? this.#usage;
    this.#finish = finishIn(chunk ?? {}) ?? this.#finish;
    const said = saidIn(chunk ?? {}) ?? {};
    const [text, refusal] = [contentText(said.content), refusalText(said)];
    const details = detailsIn(chunk ?? {}, said);
    if (text !== '' || (this.#belongsToText(details) && !isOfElse(said))) yield* this.#text(text, false, details);
    if (refusal !== '') yield* this.#text(refusal, true);
    for (const part of this.#output.readCalls(said.tool_calls)) yield* this.#call(part);
    const failure = name === 'error' ? failureOf(readRefusal(data)) : failureIn(chunk ?? {}, this.#finish);
    if (failure) yield* this.#end('failed', failure);
  }

  /** Frees the text so far; the last event then does not repeat it. */
  drop(): void {
    this.#output.drop();
  }

  /** Returns the events that end a stream early: with an error, or because somebody stopped the answer. */
  cut(error?: AppError): string {
    if (this.#isEnding) return '';
    const last = error ? this.#end('failed', toStreamedError(error).error) : this.#end('incomplete');
    return this.open() + [...last].join('');
  }

  /**
   * Whether details without text belong to the text so far: sources are sent after it, and a token of half a character
   * adds no text yet.
   */
  #belongsToText({ annotations, logprobs }: Details): boolean {
    const last = this.#output.items.at(-1);
    const isOpen = last === undefined || (last.type === 'message' && !last.isRefusal);
    return isOpen && annotations.length + logprobs.length > 0;
  }

  *#text(delta: string, isRefusal: boolean, details?: Details): Generator<string> {
    let item = this.#output.items.at(-1);
    if (item?.type !== 'message' || (item.isRefusal ?? false) !== isRefusal) {
      yield* this.#closeText();
      item = this.#output.addText(isRefusal);
      const output_index = this.#output.items.length - 1;
      yield this.#event('response.output_item.added', { output_index, item: shown(item, []) });
      yield this.#event('response.content_part.added', { ...this.#place(item), part: textPart(item) });
    }
    this.#output.addDelta(item, delta);
    if (isRefusal) yield this.#event('response.refusal.delta', { ...this.#place(item), delta });
    else if (details) yield* this.#said(item, delta, details);
  }

  *#said(item: TextItem, delta: string, details: Details): Generator<string> {
    const { annotations, logprobs } = details;
    const place = this.#place(item);
    if (delta !== '' || logprobs.length > 0)
      yield this.#event('response.output_text.delta', { ...place, delta, logprobs });
    const before = item.annotations.length;
    if (annotations.length + logprobs.length > 0) this.#output.addDetails(item, details);
    for (const [index, annotation] of annotations.entries()) {
      const added = { ...place, annotation_index: before + index, annotation };
      yield this.#event('response.output_text.annotation.added', added);
    }
  }

  /** Ends the last item where it is a text. */
  *#closeText(): Generator<string> {
    const before = this.#output.items.at(-1);
    if (before?.type === 'message') yield* this.#close(before, 'completed');
  }

  *#call(part: CallPart): Generator<string> {
    if (part.isNew) yield* this.#closeText();
    const item = this.#output.addPart(part);
    const output_index = this.#output.placeOf(item);
    if (part.isNew) {
      const begun = shown({ ...item, arguments: '' });
      yield this.#event('response.output_item.added', { output_index, item: begun });
    }
    if (part.arguments === '') return;
    const place = { item_id: item.id, output_index };
    yield this.#event('response.function_call_arguments.delta', { ...place, delta: part.arguments });
  }

  /** Ends what is open, and the response. A failure is told twice: some clients look for it here, and some there. */
  *#end(status: Exclude<Status, 'in_progress'>, failure?: Failure): Generator<string> {
    this.#isEnding = true;
    const ending = status === 'completed' ? 'completed' : 'incomplete';
    const open = this.#output.items.filter((item) => item.status === 'in_progress');
    for (const item of open) yield* this.#close(item, ending);
    this.#isEnded = failure === undefined;
    yield* this.#pieces(`response.${status}`, { response: this.#response(status, failure) });
    if (!failure) return;
    const { message, code = null, param = null } = failure;
    this.#isEnded = true;
    yield this.#event('error', { code, message, param, error: failure });
  }

  *#close(item: Item, status: ItemStatus): Generator<string> {
    item.status = status;
    if (item.type === 'message') yield* this.#textDone(item);
    else yield this.#callDone(item);
    yield* this.#pieces('response.output_item.done', { output_index: this.#output.placeOf(item), item: shown(item) });
  }

  *#textDone(item: TextItem): Generator<string> {
    const place = this.#place(item);
    if (item.isRefusal) yield this.#event('response.refusal.done', { ...place, refusal: item.text });
    else yield* this.#pieces('response.output_text.done', { ...place, text: item.text, logprobs: item.logprobs });
    yield* this.#pieces('response.content_part.done', { ...place, part: textPart(item) });
  }

  #callDone(item: CallItem): string {
    const { id: item_id, name, arguments: args } = item;
    const output_index = this.#output.placeOf(item);
    return this.#event('response.function_call_arguments.done', { item_id, output_index, name, arguments: args });
  }

  #place(item: Item) {
    return { item_id: item.id, output_index: this.#output.placeOf(item), content_index: 0 };
  }

  #finalStatus(): 'completed' | 'incomplete' {
    return reasonOf(this.#finish) === undefined ? 'completed' : 'incomplete';
  }

  #response(status: Status, failure?: Failure): object {
    const reason = status === 'incomplete' ? reasonOf(this.#finish) : undefined;
    const more = { ...(failure && { failure }), ...(reason !== undefined && { reason }) };
    return responseOf(this.#requested, { status, output: this.#output.items, usage: this.#usage, ...more });
  }

  #event(type: string, members: object): string {
    return `event: ${type}\ndata: ${JSON.stringify(this.#numbered(type, members))}\n\n`;
  }

  /** An event with what came beside the text. */
  *#pieces(type: string, members: object): Generator<string> {
    yield `event: ${type}\ndata: `;
    yield* jsonPieces(this.#numbered(type, members), this.#output.lists);
    yield '\n\n';
  }

  #numbered(type: string, members: object): object {
    const event = { type, sequence_number: this.#sequence, ...members };
    this.#sequence += 1;
    return event;
  }
}
