/**
 * Builds an answer of `/v1/responses` from the chat completion of a backend that serves only chat: as one object, or as
 * the events of a stream in OpenAI's order.
 * OpenAI's reference: https://platform.openai.com/docs/api-reference/responses-streaming
 */
import type { CallPart } from '../../../backends/shared/calls';
import { readRefusal } from '../../../backends/shared/upstream-errors';
import { refusalText, saidIn } from '../../backends/said';
import { unread } from '../../chat/generations/answer-reader';
import { finishIn } from '../../chat/generations/finish';
import { isToolReport } from '../../chat/generations/steps';
import { AppError } from '../../lib/errors';
import { jsonObject } from '../../lib/json';
import { toStreamedError } from '../../lib/openai-errors';
import { type Tokens, tokensOf } from '../../usage/tokens';
import { type Details, detailsIn, isOfElse } from './details';
import { failureIn, failureOf, reasonOf } from './endings';
import { ResponseEvents } from './events';
import { jsonPieces } from './json-list';
import { type Failure, type Requested, responseOf, type Status, type TextItem } from './objects';
import { Output } from './output';
import { type Piece, ThoughtReader } from './thoughts';

export class ResponseAnswer {
  readonly #requested: Requested;
  readonly #output: Output;
  readonly #events: ResponseEvents;
  readonly #thoughts = new ThoughtReader();
  #isOpen = false;
  /** Its last events are being made: nothing comes before them any more. */
  #isEnding = false;
  #isEnded = false;
  #finish: unknown;
  #usage: Tokens | undefined;

  constructor(requested: Requested) {
    this.#requested = requested;
    this.#output = new Output(requested);
    this.#events = new ResponseEvents(this.#output);
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
    const { thought, text, details } = this.#thoughts.whole(said, detailsIn(completion, said));
    const refusal = refusalText(said);
    if (thought.trim() !== '') this.#output.addThought().text = thought;
    if (text !== '') this.#output.addDetails(Object.assign(this.#output.addText(false), { text }), details);
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
    return this.#events.one('response.created', { response }) + this.#events.one('response.in_progress', { response });
  }

  /** Events that say that the answer is in progress, for clients that ignore comments. */
  alive(): string {
    if (this.#isEnding) return '';
    const again = () => this.#events.pieces('response.in_progress', { response: this.#response('in_progress') });
    return this.open() || [...again()].join('');
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
    const [refusal, parts] = [refusalText(said), this.#output.readCalls(said.tool_calls)];
    yield* this.#say(this.#thoughts.read(said, detailsIn(chunk ?? {}, said)), isOfElse(said));
    if (refusal !== '' || parts.length > 0) yield* this.#say(this.#thoughts.end());
    if (refusal !== '') yield* this.#text(refusal, true);
    for (const part of parts) yield* this.#call(part);
    const isOfTool = isToolReport(chunk ?? {}, name);
    const failure =
      name === 'error' ? failureOf(readRefusal(data)) : failureIn(isOfTool ? {} : (chunk ?? {}), this.#finish);
    if (failure) yield* this.#end('failed', failure);
  }

  /** Frees the text so far; the last event then does not repeat it. */
  drop(): void {
    this.#thoughts.end();
    this.#output.drop();
  }

  /** Returns the events that end a stream early: with an error, or because somebody stopped the answer. */
  cut(error?: AppError): string {
    if (this.#isEnding) return '';
    const last = error ? this.#end('failed', toStreamedError(error).error) : this.#end('incomplete');
    return this.open() + [...last].join('');
  }

  /** @param isElse the details are those of something else. */
  *#say({ thought, text, details }: Piece, isElse = false): Generator<string> {
    if (thought !== '') yield* this.#think(thought);
    if (text !== '' || (!isElse && this.#belongsToText(details))) yield* this.#text(text, false, details);
  }

  /**
   * Whether details without text belong to the text so far, or to the one that begins: sources are sent after it, and a token
   * of half a character adds no text yet.
   */
  #belongsToText({ annotations, logprobs }: Details): boolean {
    const last = this.#output.items.at(-1);
    const isOpen = last?.type !== 'function_call' && !(last?.type === 'message' && last.isRefusal);
    return isOpen && annotations.length + logprobs.length > 0;
  }

  *#think(delta: string): Generator<string> {
    let item = this.#output.items.at(-1);
    if (item?.type !== 'reasoning') {
      // White space alone is no thought.
      if (delta.trim() === '') return;
      yield* this.#closeText();
      item = this.#output.addThought();
      yield* this.#events.begun(item);
    }
    this.#output.addDelta(item, delta);
    yield this.#events.one('response.reasoning_text.delta', { ...this.#events.placeOf(item), delta });
  }

  *#text(delta: string, isRefusal: boolean, details?: Details): Generator<string> {
    let item = this.#output.items.at(-1);
    if (item?.type !== 'message' || (item.isRefusal ?? false) !== isRefusal) {
      yield* this.#closeText();
      item = this.#output.addText(isRefusal);
      yield* this.#events.begun(item);
    }
    this.#output.addDelta(item, delta);
    if (isRefusal) yield this.#events.one('response.refusal.delta', { ...this.#events.placeOf(item), delta });
    else if (details) yield* this.#said(item, delta, details);
  }

  *#said(item: TextItem, delta: string, details: Details): Generator<string> {
    const { annotations, logprobs } = details;
    const place = this.#events.placeOf(item);
    if (delta !== '' || logprobs.length > 0)
      yield this.#events.one('response.output_text.delta', { ...place, delta, logprobs });
    const before = item.annotations.length;
    if (annotations.length + logprobs.length > 0) this.#output.addDetails(item, details);
    for (const [index, annotation] of annotations.entries()) {
      const added = { ...place, annotation_index: before + index, annotation };
      yield this.#events.one('response.output_text.annotation.added', added);
    }
  }

  /** Ends the last item where it is a text or a thought. */
  *#closeText(): Generator<string> {
    const before = this.#output.items.at(-1);
    if (before && before.type !== 'function_call') yield* this.#events.ended(before, 'completed');
  }

  *#call(part: CallPart): Generator<string> {
    if (part.isNew) yield* this.#closeText();
    const item = this.#output.addPart(part);
    if (part.isNew) yield* this.#events.begun(item);
    if (part.arguments === '') return;
    const place = { item_id: item.id, output_index: this.#output.placeOf(item) };
    yield this.#events.one('response.function_call_arguments.delta', { ...place, delta: part.arguments });
  }

  /** Ends what is open, and the response. A failure is told twice: some clients look for it here, and some there. */
  *#end(status: Exclude<Status, 'in_progress'>, failure?: Failure): Generator<string> {
    this.#isEnding = true;
    yield* this.#say(this.#thoughts.end());
    const ending = status === 'completed' ? 'completed' : 'incomplete';
    const open = this.#output.items.filter((item) => item.status === 'in_progress');
    for (const item of open) yield* this.#events.ended(item, ending);
    this.#isEnded = failure === undefined;
    yield* this.#events.pieces(`response.${status}`, { response: this.#response(status, failure) });
    if (!failure) return;
    const { message, code = null, param = null } = failure;
    this.#isEnded = true;
    yield this.#events.one('error', { code, message, param, error: failure });
  }

  #finalStatus(): 'completed' | 'incomplete' {
    return reasonOf(this.#finish) === undefined ? 'completed' : 'incomplete';
  }

  #response(status: Status, failure?: Failure): object {
    const reason = status === 'incomplete' ? reasonOf(this.#finish) : undefined;
    const more = { ...(failure && { failure }), ...(reason !== undefined && { reason }) };
    return responseOf(this.#requested, { status, output: this.#output.items, usage: this.#usage, ...more });
  }
}
