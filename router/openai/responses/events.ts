/** Writes the events of a response's stream, numbered, and those with which each item begins and ends, in OpenAI's order. */
import { jsonPieces } from './json-list';
import { type CallItem, type Item, type ItemStatus, shown, textPart, type WrittenItem } from './objects';
import { listsOf, type Output } from './output';

export class ResponseEvents {
  #sequence = 0;

  constructor(readonly output: Output) {}

  one(type: string, members: object): string {
    return `event: ${type}\ndata: ${JSON.stringify(this.#numbered(type, members))}\n\n`;
  }

  /** An event with what came beside the text. @param lists those that may be in it. */
  *pieces(type: string, members: object, lists = this.output.lists): Generator<string> {
    yield `event: ${type}\ndata: `;
    yield* jsonPieces(this.#numbered(type, members), lists);
    yield '\n\n';
  }

  *begun(item: Item): Generator<string> {
    const output_index = this.output.placeOf(item);
    const isCall = item.type === 'function_call';
    const begun = isCall ? shown({ ...item, arguments: '' }) : shown(item, []);
    yield this.one('response.output_item.added', { output_index, item: begun });
    if (!isCall) yield this.one('response.content_part.added', { ...this.placeOf(item), part: textPart(item) });
  }

  *ended(item: Item, status: ItemStatus): Generator<string> {
    item.status = status;
    if (item.type === 'function_call') yield this.#callDone(item);
    else yield* this.#textDone(item);
    const output_index = this.output.placeOf(item);
    yield* this.pieces('response.output_item.done', { output_index, item: shown(item) }, listsOf(item));
  }

  /** The members that say which text an event is about. */
  placeOf(item: WrittenItem) {
    return { item_id: item.id, output_index: this.output.placeOf(item), content_index: 0 };
  }

  *#textDone(item: WrittenItem): Generator<string> {
    const place = this.placeOf(item);
    const { text } = item;
    if (item.type === 'reasoning') yield this.one('response.reasoning_text.done', { ...place, text });
    else if (item.isRefusal) yield this.one('response.refusal.done', { ...place, refusal: text });
    else yield* this.pieces('response.output_text.done', { ...place, text, logprobs: item.logprobs }, listsOf(item));
    yield* this.pieces('response.content_part.done', { ...place, part: textPart(item) }, listsOf(item));
  }

  #callDone(item: CallItem): string {
    const { id: item_id, name, arguments: args } = item;
    const output_index = this.output.placeOf(item);
    return this.one('response.function_call_arguments.done', { item_id, output_index, name, arguments: args });
  }

  #numbered(type: string, members: object): object {
    const event = { type, sequence_number: this.#sequence, ...members };
    this.#sequence += 1;
    return event;
  }
}
