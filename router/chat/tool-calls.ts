/** The calls of tools in an answer, whichever way it comes: by pieces or whole, of chat or of `/v1/responses`. */
import type { ToolCall } from './store';

/** An answer or one event of it, as a runtime sent it: nothing in it can be relied upon. */
export interface CallsBody {
  readonly type?: unknown;
  readonly output_index?: unknown;
  readonly item?: unknown;
  readonly output?: unknown;
  readonly choices?: readonly { delta?: { tool_calls?: unknown }; message?: { tool_calls?: unknown } }[];
}

interface SentCall {
  readonly index?: unknown;
  readonly id?: unknown;
  readonly function?: { readonly name?: unknown; readonly arguments?: unknown };
}

interface SentItem {
  readonly type?: unknown;
  readonly call_id?: unknown;
  readonly name?: unknown;
  readonly arguments?: unknown;
  readonly content?: unknown;
}

/** What a call costs beside its texts. */
const CALL_BYTES = 200;

export class AnswerCalls {
  /** About so many bytes are held. */
  size = 0;
  /** By the index that the answer gives them, in the order in which they came. */
  readonly #byIndex = new Map<number, ToolCall>();

  get all(): readonly ToolCall[] {
    return [...this.#byIndex.values()].filter(({ name }) => name !== '');
  }

  /** Takes what is in a body of an answer. @param textLength of the answer's text, with what this body adds. */
  read(body: CallsBody, textLength: number): void {
    const choice = body.choices?.[0];
    const pieces = choice?.delta?.tool_calls ?? choice?.message?.tool_calls;
    if (Array.isArray(pieces)) {
      for (const [place, piece] of pieces.entries()) this.#piece(piece, place, textLength);
    } else if (body.type === 'response.output_item.added' || body.type === 'response.output_item.done') {
      this.#item(body.item as SentItem | null, Number(body.output_index), textLength);
    } else if (Array.isArray(body.output)) this.#items(body.output);
  }

  /** Of chat, where further pieces of a call have no more than its index and more of its arguments. */
  #piece(piece: SentCall | null, place: number, textLengthBefore: number): void {
    const index = typeof piece?.index === 'number' ? piece.index : place;
    const sofar = this.#byIndex.get(index) ?? { id: '', name: '', arguments: '', textLengthBefore };
    const { name, arguments: more } = piece?.function ?? {};
    this.#set(index, {
      ...sofar,
      id: sofar.id || text(piece?.id),
      name: sofar.name || text(name),
      arguments: sofar.arguments + text(more),
    });
  }

  /** Of `/v1/responses`, where an item comes at its beginning, and at its end as a whole. */
  #item(item: SentItem | null, index: number, textLength: number): void {
    if (item?.type !== 'function_call') return;
    this.#set(index, {
      id: text(item.call_id),
      name: text(item.name),
      arguments: text(item.arguments),
      textLengthBefore: this.#byIndex.get(index)?.textLengthBefore ?? textLength,
    });
  }

  #set(index: number, call: ToolCall): void {
    const before = this.#byIndex.get(index);
    this.size += sizeOf(call) - (before ? sizeOf(before) : 0);
    this.#byIndex.set(index, call);
  }

  #items(items: readonly (SentItem | null)[]): void {
    let textLength = 0;
    for (const [index, item] of items.entries()) {
      if (item?.type === 'function_call') this.#item(item, index, textLength);
      else textLength += outputText(item).length;
    }
  }
}

function sizeOf(call: ToolCall): number {
  return CALL_BYTES + call.id.length + call.name.length + call.arguments.length;
}

/** The text of an item of a response. */
export function outputText(item: { readonly content?: unknown } | null): string {
  const parts: readonly ({ type?: unknown; text?: unknown } | null)[] = Array.isArray(item?.content)
    ? item.content
    : [];
  return parts.map((part) => (part?.type === 'output_text' ? text(part.text) : '')).join('');
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
