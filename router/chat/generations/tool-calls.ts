/** Reads the tool calls in an answer: whole or in pieces, of chat or of `/v1/responses`. */
import { CallReader } from '../../../backends/shared/calls';
import { outputText } from '../../backends/said';
import { isJsonObject, type JsonObject, stringOf } from '../../lib/json';
import type { ToolCall } from '../store/conversations';

/** Bytes that a call takes beside its texts. */
const CALL_BYTES = 200;

export class AnswerCalls {
  /** Estimate of the bytes that are held. */
  size = 0;
  readonly #reader: CallReader;
  /** In order of arrival. Key: the index in a chat, or the index of the item. */
  readonly #calls = new Map<unknown, ToolCall>();

  /** @param answerId Makes ids for calls to which the runtime gives none. */
  constructor(answerId: string) {
    this.#reader = new CallReader((place) => callId(answerId, place));
  }

  /** How many have begun. */
  get count(): number {
    return this.#calls.size;
  }

  get all(): readonly ToolCall[] {
    return [...this.#calls.values()].filter(({ name }) => name !== '');
  }

  /**
   * Reads the calls in a body of an answer.
   * @param said what `saidIn` finds in it.
   * @param textLength gives the length of the answer's text including this body.
   */
  read(body: JsonObject, said: JsonObject | undefined, textLength: () => number): void {
    if (said) this.#pieces(said.tool_calls, textLength);
    else if (body.type === 'response.output_item.added' || body.type === 'response.output_item.done') {
      this.#item(body.item, body.output_index, textLength);
    } else if (Array.isArray(body.output)) this.#items(body.output);
  }

  /** Reads the calls of a chat, where a call arrives in pieces. */
  #pieces(pieces: unknown, textLength: () => number): void {
    for (const { index, id, name, arguments: args, more } of this.#reader.read(pieces)) {
      const known = this.#calls.get(index);
      const sofar: ToolCall = known ?? { id, name: '', arguments: '', textLengthBefore: textLength() };
      const call = { ...sofar, name: sofar.name + name, arguments: sofar.arguments + args };
      if (Object.keys(more).length === 0) this.#set(index, call);
      else {
        this.size += JSON.stringify(more).length;
        this.#set(index, { ...call, more: { ...sofar.more, ...more } });
      }
    }
  }

  /** Reads an item of `/v1/responses`, which is sent when it begins, and again whole when it ends. */
  #item(item: unknown, index: unknown, textLength: () => number): void {
    if (!isJsonObject(item) || item.type !== 'function_call') return;
    const key = typeof index === 'number' ? index : item.call_id;
    this.#set(key, {
      id: stringOf(item.call_id),
      name: stringOf(item.name),
      ...(typeof item.namespace === 'string' && { namespace: item.namespace }),
      arguments: stringOf(item.arguments),
      textLengthBefore: this.#calls.get(key)?.textLengthBefore ?? textLength(),
    });
  }

  #set(key: unknown, call: ToolCall): void {
    const before = this.#calls.get(key);
    this.size += sizeOf(call) - (before ? sizeOf(before) : 0);
    this.#calls.set(key, call);
  }

  #items(items: readonly unknown[]): void {
    let textLength = 0;
    for (const [index, item] of items.entries()) {
      if (!isJsonObject(item)) continue;
      const before = textLength;
      if (item.type === 'function_call') this.#item(item, index, () => before);
      else textLength += outputText(item).length;
    }
  }
}

function sizeOf(call: ToolCall): number {
  return CALL_BYTES + call.id.length + call.name.length + (call.namespace?.length ?? 0) + call.arguments.length;
}

/** Returns the id of a call without one. It is the same for every reader of the answer. */
export function callId(answerId: string, place: number): string {
  return `call_${answerId}${place === 0 ? '' : `_${place}`}`;
}
