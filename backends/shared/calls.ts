/**
 * Assigns the pieces of an answer to its tool calls. OpenAI numbers the calls of an answer by `index`, and each piece
 * of a call has its index. Other servers number all calls 0, send no index, send no id or the same id with each piece,
 * repeat the name, or send the arguments as an object. tests/corpus has an example of each.
 */
import { isRecord, Nesting } from './json';

/** The part of a call that one piece adds. */
export interface CallPart {
  /** Position of the call in the answer, from 0. */
  readonly index: number;
  readonly isNew: boolean;
  /** Id of the call, the same in all its pieces. Made here if the server sends none. */
  readonly id: string;
  /** The text that this piece adds to the name, and to the JSON of the arguments. */
  readonly name: string;
  readonly arguments: string;
  /** Whether the piece belongs to a function. The members of OpenAI's other kinds are in `more`. */
  readonly isFunction: boolean;
  /** Further members of the piece and of its `function`, passed on unchanged. */
  readonly more: Readonly<Record<string, unknown>>;
  readonly functionMore: Readonly<Record<string, unknown>>;
}

interface Sent {
  readonly index: number | undefined;
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

interface Call {
  readonly place: number;
  readonly index: number | undefined;
  readonly id: string;
  /** Id from the server; empty if it sent none. */
  sentId: string;
  name: string;
  readonly nesting: Nesting;
  hasArguments: boolean;
  /** Number of the last list of pieces that had a piece of this call. */
  list: number;
}

export class CallReader {
  readonly #calls: Call[] = [];
  /** The newest call of each index, and of each id that the server has named. An answer may have thousands of calls. */
  readonly #byIndex = new Map<number, Call>();
  readonly #byId = new Map<string, Call>();
  #list = 0;

  /** @param makeId Returns the id for a call without one, from the call's position. */
  constructor(readonly makeId: (place: number) => string) {}

  /** Reads the `tool_calls` of one delta or of a whole message. A value that is no list has no calls. */
  read(pieces: unknown): readonly CallPart[] {
    if (!Array.isArray(pieces)) return [];
    this.#list += 1;
    // Without an index, pieces of one list belong to calls by their position.
    const placed = (place: number) => (pieces.length > 1 ? place : undefined);
    return pieces.flatMap((piece, place) => (isRecord(piece) ? [this.#piece(piece, placed(place))] : []));
  }

  #piece(piece: Record<string, unknown>, place: number | undefined): CallPart {
    const { index, id, type, function: called, ...more } = piece;
    const { name, arguments: args, ...functionMore } = isRecord(called) ? called : {};
    const sent: Sent = {
      index: typeof index === 'number' ? index : place,
      id: typeof id === 'string' || typeof id === 'number' ? String(id) : '',
      name: textOf(name),
      arguments: argumentsOf(args),
    };
    const owner = this.#ownerOf(sent);
    const isNew = owner === undefined || this.#isNext(owner, sent);
    const call = isNew ? this.#begin(sent) : owner;
    if (call.sentId === '') this.#name(call, sent.id);
    const part = { index: call.place, isNew, id: call.id, name: nameIn(call, sent), arguments: moreOf(call, sent) };
    if (sent.name !== '') call.list = this.#list;
    const kind = type === undefined || type === null || type === 'function' ? {} : { type };
    return {
      ...part,
      isFunction: isRecord(called),
      more: told({ ...kind, ...more }),
      functionMore: told(functionMore),
    };
  }

  #ownerOf({ id, index }: Sent): Call | undefined {
    const numbered = index === undefined ? this.#calls.at(-1) : this.#byIndex.get(index);
    if (id === '') return numbered;
    // The id may come after the first piece.
    return this.#byId.get(id) ?? (numbered?.sentId === '' ? numbered : undefined);
  }

  /** Whether a piece that seems to continue `call` begins the next call instead. A piece without a name never does. */
  #isNext(call: Call, sent: Sent): boolean {
    if (sent.name === '') return false;
    // One list never has two pieces of the same call.
    if (call.list === this.#list) return true;
    const isOther = sent.name !== call.name || sent.arguments !== '';
    if (sent.id !== '' && sent.id === call.sentId) {
      return call.nesting.isWhole && isOther && sent.index !== undefined && sent.index !== call.index;
    }
    if (call.sentId === '' && !sent.name.startsWith(call.name)) return true;
    return call.nesting.isWhole && isOther;
  }

  #begin({ index, id }: Sent): Call {
    const place = this.#calls.length;
    const call: Call = {
      ...{ place, index, id: id || this.makeId(place), sentId: '', name: '', nesting: new Nesting() },
      ...{ hasArguments: false, list: this.#list },
    };
    this.#calls.push(call);
    if (index !== undefined) this.#byIndex.set(index, call);
    this.#name(call, id);
    return call;
  }

  #name(call: Call, id: string): void {
    if (id === '') return;
    call.sentId = id;
    this.#byId.set(id, call);
  }
}

/**
 * Returns the text that a piece adds to the name. Some servers repeat the name with each piece, some send it in parts.
 */
function nameIn(call: Call, { name }: Sent): string {
  if (name === '' || call.hasArguments) return '';
  const added = name.startsWith(call.name) ? name.slice(call.name.length) : name;
  call.name += added;
  return added;
}

/**
 * Returns the text that a piece adds to the arguments. To complete arguments nothing is added: the server repeats them.
 */
function moreOf(call: Call, { arguments: added }: Sent): string {
  if (added === '' || call.nesting.isWhole) return '';
  call.hasArguments = true;
  call.nesting.push(added);
  return added;
}

/** Drops members without a value. */
function told(members: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value != null));
}

function argumentsOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
