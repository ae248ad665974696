/** The calls of tools in an answer, whichever way it comes: by pieces or whole, of chat or of `/v1/responses`. */
import { CallReader } from '../../backends/shared/calls';
import { isJsonObject, type JsonObject } from '../lib/json';
import type { ToolCall } from './store';

/** An answer or one event of it, as a runtime sent it: nothing in it can be relied upon. */
export type CallsBody = JsonObject;

/** What a call costs beside its texts. */
const CALL_BYTES = 200;

export class AnswerCalls {
  /** About so many bytes are held. */
  size = 0;
  readonly #reader: CallReader;
  /** In the order in which they came, by their place in a chat or the number of their item. */
  readonly #calls = new Map<unknown, ToolCall>();

  /** @param answerId names the calls to which the runtime gives no id. */
  constructor(answerId: string) {
    this.#reader = new CallReader((place) => callId(answerId, place));
  }

  get all(): readonly ToolCall[] {
    return [...this.#calls.values()].filter(({ name }) => name !== '');
  }

  /** Takes what is in a body of an answer. @param textLength of the answer's text, with what this body adds. */
  read(body: CallsBody, textLength: number): void {
    const said = saidIn(body);
    if (said) this.#pieces(said.tool_calls, textLength);
    else if (body.type === 'response.output_item.added' || body.type === 'response.output_item.done') {
      this.#item(body.item, body.output_index, textLength);
    } else if (Array.isArray(body.output)) this.#items(body.output);
  }

  /** Of chat, where a call comes in pieces. */
  #pieces(pieces: unknown, textLengthBefore: number): void {
    for (const { index, id, name, arguments: args, more } of this.#reader.read(pieces)) {
      const sofar: ToolCall = this.#calls.get(index) ?? { id, name: '', arguments: '', textLengthBefore };
      const call = { ...sofar, name: sofar.name + name, arguments: sofar.arguments + args };
      if (Object.keys(more).length === 0) this.#set(index, call);
      else {
        this.size += JSON.stringify(more).length;
        this.#set(index, { ...call, more: { ...sofar.more, ...more } });
      }
    }
  }

  /** Of `/v1/responses`, where an item comes at its beginning, and at its end as a whole. */
  #item(item: unknown, index: unknown, textLength: number): void {
    if (!isJsonObject(item) || item.type !== 'function_call') return;
    const key = typeof index === 'number' ? index : item.call_id;
    this.#set(key, {
      id: text(item.call_id),
      name: text(item.name),
      arguments: text(item.arguments),
      textLengthBefore: this.#calls.get(key)?.textLengthBefore ?? textLength,
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
      if (item.type === 'function_call') this.#item(item, index, textLength);
      else textLength += outputText(item).length;
    }
  }
}

function sizeOf(call: ToolCall): number {
  return CALL_BYTES + call.id.length + call.name.length + call.arguments.length;
}

/** The id of a call that its runtime did not name: the same wherever the answer is read. */
export function callId(answerId: string, place: number): string {
  return `call_${answerId}${place === 0 ? '' : `_${place}`}`;
}

/** The delta or the message of a chat's answer. */
export function saidIn({ choices }: CallsBody): JsonObject | undefined {
  const [choice] = Array.isArray(choices) ? choices : [];
  if (!isJsonObject(choice)) return undefined;
  return [choice.delta, choice.message].find(isJsonObject);
}

/** The text of a content of chat, which some runtimes send as a list of parts. */
export function contentText(content: unknown): string {
  if (!Array.isArray(content)) return text(content);
  return content.map((part) => (isJsonObject(part) && part.type === 'text' ? text(part.text) : '')).join('');
}

/** The text of an item of a response. */
export function outputText(item: { readonly content?: unknown } | null): string {
  const parts = Array.isArray(item?.content) ? item.content : [];
  return parts.map((part) => (isJsonObject(part) && part.type === 'output_text' ? text(part.text) : '')).join('');
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
