/** The output of an answer of `/v1/responses` as it grows: thoughts, texts and calls, in their order. */
import { type CallPart, CallReader } from '../../../backends/shared/calls';
import { callId } from '../../chat/generations/tool-calls';
import type { Details } from './details';
import { JsonList } from './json-list';
import {
  type CallItem,
  type Item,
  ItemIds,
  type Requested,
  type TextItem,
  type ThoughtItem,
  type WrittenItem,
} from './objects';
import { type ToolNames, toolNames } from './tools';

/** Bytes that an item costs in addition to its text. */
const ITEM_BYTES = 200;

export class Output {
  /** About the number of bytes that are kept. */
  size = 0;
  readonly items: Item[] = [];
  readonly #ids: ItemIds;
  /** Whether the client wants thoughts in a form that it sends back. */
  readonly #isSealed: boolean;
  readonly #names: ToolNames;
  readonly #reader: CallReader;
  /** Item → its index in the output. */
  readonly #places = new Map<Item, number>();
  /** The name of each call in the chat; the client's name for it may have a namespace. */
  readonly #called = new Map<CallItem, string>();
  /** Index in the chat's answer → call. */
  readonly #calls: CallItem[] = [];

  constructor(requested: Requested) {
    const { include } = requested.body;
    this.#ids = new ItemIds(requested.id);
    this.#isSealed = Array.isArray(include) && include.includes('reasoning.encrypted_content');
    this.#reader = new CallReader((place) => callId(requested.id.replace(/^resp_/, ''), place));
    this.#names = toolNames(requested.body);
  }

  /** Those of all texts. */
  get lists(): readonly JsonList[] {
    return this.items.flatMap(listsOf);
  }

  /** Index of an item in the output. */
  placeOf(item: Item): number | undefined {
    return this.#places.get(item);
  }

  /** The parts of calls in `tool_calls` of a message, or of a delta. */
  readCalls(toolCalls: unknown): readonly CallPart[] {
    return this.#reader.read(toolCalls);
  }

  /** Begins a text behind the last item, or the words with which the model refuses. */
  addText(isRefusal: boolean): TextItem {
    const item: TextItem = {
      id: this.#ids.next('msg'),
      type: 'message',
      status: 'in_progress',
      role: 'assistant',
      text: '',
      annotations: new JsonList(),
      logprobs: new JsonList(),
      ...(isRefusal && { isRefusal }),
    };
    this.size += ITEM_BYTES;
    return this.#add(item);
  }

  /** Begins a thought behind the last item. */
  addThought(): ThoughtItem {
    const item: ThoughtItem = {
      id: this.#ids.next('rs'),
      type: 'reasoning',
      status: 'in_progress',
      text: '',
      ...(this.#isSealed && { isSealed: true }),
    };
    this.size += ITEM_BYTES;
    return this.#add(item);
  }

  addDelta(item: WrittenItem, delta: string): void {
    item.text += delta;
    this.size += item.type === 'reasoning' && item.isSealed ? 2 * delta.length : delta.length;
  }

  addDetails(item: TextItem, { annotations, logprobs }: Details): void {
    this.size += item.annotations.add(annotations) + item.logprobs.add(logprobs);
  }

  /** Adds a part to its call, or begins a call with it. */
  addPart({ index, id: call_id, name, arguments: args, more }: CallPart): CallItem {
    const item = this.#calls[index] ?? this.#addCall(index, call_id);
    const called = (this.#called.get(item) ?? '') + name;
    this.#called.set(item, called);
    Object.assign(item, this.#names.get(called) ?? { name: called });
    item.arguments += args;
    this.size += name.length + args.length;
    if (Object.keys(more).length > 0) {
      this.size += JSON.stringify(more).length;
      item.more = { ...item.more, ...more };
    }
    return item;
  }

  #addCall(index: number, call_id: string): CallItem {
    const begun = { status: 'in_progress', call_id, name: '', arguments: '', more: {} } as const;
    const item = this.#add<CallItem>({ id: this.#ids.next('fc'), type: 'function_call', ...begun });
    this.#calls[index] = item;
    this.size += ITEM_BYTES + call_id.length;
    return item;
  }

  /** Forgets the items; the end of the answer does not repeat them then. */
  drop(): void {
    this.items.length = 0;
    this.#calls.length = 0;
  }

  #add<One extends Item>(item: One): One {
    this.#places.set(item, this.items.push(item) - 1);
    return item;
  }
}

/** The lists of what came beside a text. */
export function listsOf(item: Item): readonly JsonList[] {
  return item.type === 'message' ? [item.annotations, item.logprobs] : [];
}
