/**
 * Lists of an answer that may be long, such as the probabilities of its tokens. What came is kept as JSON, so that the last
 * events, each of which repeats all of it, are put together from texts: nothing is serialised again, and no turn of the
 * event loop makes more than a piece.
 */
import { newId } from '../../lib/ids';

const MARK = '"list:';
const MARK_LENGTH = MARK.length + newId().length + 1;

export class JsonList {
  length = 0;
  /** Each of some items, without the brackets. */
  readonly #texts: string[] = [];
  /** Stands for the list in JSON. No foreign text has it, because it is random and never sent. */
  #mark: string | undefined;

  /** @returns the number of characters that are kept of the items. */
  add(items: readonly object[]): number {
    if (items.length === 0) return 0;
    const text = JSON.stringify(items).slice(1, -1);
    this.#texts.push(text);
    this.length += items.length;
    return text.length;
  }

  /** What stands for it in the JSON of a value, for `jsonPieces`. */
  get mark(): string {
    this.#mark ??= `${MARK}${newId()}"`;
    return this.#mark;
  }

  toJSON(): unknown {
    return this.length === 0 ? [] : JSON.parse(this.mark);
  }

  *pieces(): Generator<string> {
    for (const [index, text] of this.#texts.entries()) yield (index === 0 ? '[' : ',') + text;
    yield ']';
  }
}

/** The JSON of a value, in pieces. @param lists Those that may be in it. */
export function* jsonPieces(value: object, lists: readonly JsonList[]): Generator<string> {
  const text = JSON.stringify(value);
  const marked = new Map(lists.flatMap((list) => (list.length === 0 ? [] : [[list.mark, list] as const])));
  let at = 0;
  for (let start = text.indexOf(MARK); start !== -1; start = text.indexOf(MARK, start + 1)) {
    const list = marked.get(text.slice(start, start + MARK_LENGTH));
    if (!list) continue;
    yield text.slice(at, start);
    yield* list.pieces();
    at = start + MARK_LENGTH;
  }
  yield text.slice(at);
}
