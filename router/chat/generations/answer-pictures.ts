/**
 * Pictures in answers. Models send them beside the text (`images` of a delta, parts of a content, a call of image
 * generation) or in it, as Markdown with a data URI. Each is taken out, stored like a file of a message, and stands in the
 * text as Markdown with its address here; so a text stays short, and is shown live as it is after a reload.
 */
import { attachableKind, isPicture, pictureAddress } from '../../attachments/kinds';
import { newTimeId } from '../../lib/ids';
import { isJsonObject, type JsonObject } from '../../lib/json';

/** Pictures of one answer that are looked at. More are left out. */
const COUNT_MAX = 20;
/** Characters of the words of a picture in Markdown. */
const ALT_LENGTH_MAX = 500;
// The text is anybody's, and each place of it is read for one beginning only: a link is looked for first, by expressions that
// read no `(` behind their own, and then the words before it, which have no `]` in them.
const OPENING = /\]\(\s{0,20}<?data:image\/[a-z0-9.+-]{1,40}(?:;(?!base64,)[^,;()\s]{0,40}){0,3};base64,/gi;
/** What may become a beginning with more text. */
const PARTIAL = /!(?:\[(?:[^\]\n!]|!(?!\[)){0,500}(?:\](?:\(\s{0,20}<?[a-z0-9:/.+;=-]{0,120})?)?)?$/i;
const PARTIAL_LENGTH_MAX = ALT_LENGTH_MAX + 150;
/** The first character behind the data. */
const END = /[^A-Za-z0-9+/=\s]/g;
/** The end of a picture's Markdown after its data: `)`, `> "title")` and the like. */
const TAIL = /^>?\s{0,20}(?:"[^"\n]{0,200}"\s{0,20})?\)/;
const PARTIAL_TAIL = /^>?\s{0,20}(?:"[^"\n]{0,200}(?:"\s{0,20})?)?$/;
const TAIL_LENGTH_MAX = 250;
const DATA_URI = /^data:[^,]{0,100};base64,/i;
/** The link of a picture of an answer as it is stored, or as its client has it. */
const IN_TEXT = /\]\(\s{0,20}<?(?:(?:data:image|https?:\/)\/[^()!]*|\/api\/attachments\/[0-9a-f]{24}[^()!]*)\)/g;
/** The link of a picture in a stored answer. */
const STORED = /\]\(\/api\/attachments\/[0-9a-f]{24}[^()!]*\)/g;

/** A picture that is to be stored. */
export interface AnswerPicture {
  readonly id: string;
  readonly bytes: Uint8Array;
}

export class AnswerPictures {
  #count = 0;
  /** Text that may be the beginning of a picture. */
  #held = '';
  /** The data of a picture so far, and the words for it. */
  #data: { readonly alt: string; readonly pieces: string[] } | undefined;
  #dataLength = 0;

  /**
   * @param bytesMax of one picture. A larger one is left out, and so is what is no picture.
   * @param onPicture called with each, in the order of the text.
   */
  constructor(
    readonly bytesMax: number,
    readonly onPicture: (picture: AnswerPicture) => void,
  ) {}

  /** Characters that are held. */
  get size(): number {
    return this.#held.length + this.#dataLength;
  }

  /** A piece of the text, without the pictures in it and what may become one. */
  text(piece: string): string {
    if (!this.#data && this.#held === '' && !piece.includes('!')) return piece;
    const text = this.#held + piece;
    this.#held = '';
    let said = '';
    let at = 0;
    while (at < text.length) {
      if (this.#data) {
        END.lastIndex = at;
        const end = END.exec(text)?.index;
        this.#collect(text.slice(at, end));
        if (end === undefined) return said;
        const tail = text.slice(end, end + TAIL_LENGTH_MAX);
        if (tail.length < TAIL_LENGTH_MAX && PARTIAL_TAIL.test(tail)) {
          this.#held = tail;
          return said;
        }
        said += this.#finish();
        at = end + (TAIL.exec(tail)?.[0].length ?? 0);
        continue;
      }
      const begin = nextPicture(text, OPENING, at);
      if (!begin) {
        this.#held = PARTIAL.exec(text.slice(Math.max(at, text.length - PARTIAL_LENGTH_MAX)))?.[0] ?? '';
        return said + text.slice(at, text.length - this.#held.length);
      }
      said += text.slice(at, begin.start);
      this.#data = { alt: begin.words, pieces: [] };
      at = begin.end;
    }
    return said;
  }

  /** The pictures of one event, or of a whole body, as Markdown to be added to the text. */
  read(body: JsonObject, said: JsonObject | undefined): string {
    if (said && !said.images && !Array.isArray(said.content)) return '';
    const urls = said ? [...urlsIn(said.images), ...urlsIn(said.content)] : generatedIn(body);
    return urls.map((url) => this.#take(url, 'image')).join('');
  }

  /** Returns the text that is still held back, at the end of the answer. */
  end(): string {
    const held = this.#held;
    this.#held = '';
    return this.#data ? this.#finish() : held;
  }

  #collect(piece: string): void {
    this.#dataLength += piece.length;
    // Data that is too large is dropped before its end.
    if (this.#dataLength <= this.bytesMax * 2) this.#data?.pieces.push(piece);
  }

  #finish(): string {
    const { alt = '', pieces = [] } = this.#data ?? {};
    const isTooLarge = this.#dataLength > this.bytesMax * 2;
    this.#data = undefined;
    this.#dataLength = 0;
    return isTooLarge ? leftOut(alt) : this.#kept(pieces.join(''), alt);
  }

  #take(url: string, alt: string): string {
    const base64 = url.replace(DATA_URI, '');
    const said = base64 === url ? this.#elsewhere(url) : this.#kept(base64, alt);
    return said === '' ? '' : `\n\n${said}\n\n`;
  }

  /** A picture that is elsewhere stays there: pages show a link to it. */
  #elsewhere(url: string): string {
    const address = this.#count < COUNT_MAX ? pictureAddress(url) : undefined;
    if (address === undefined) return '';
    this.#count += 1;
    return `![](${address.replace(/[()!]/g, (one) => `%${one.charCodeAt(0).toString(16)}`)})`;
  }

  #kept(base64: string, alt: string): string {
    if (this.#count >= COUNT_MAX) return leftOut(alt);
    this.#count += 1;
    const bytes = Buffer.from(base64, 'base64');
    const kind = bytes.length > this.bytesMax ? undefined : attachableKind(bytes);
    if (!kind || !isPicture(kind)) return leftOut(alt);
    const id = newTimeId();
    this.onPicture({ id, bytes });
    // A page keeps its place while it loads.
    const size = kind.width !== null && kind.height !== null ? `#${kind.width}x${kind.height}` : '';
    return `![${alt || 'image'}](/api/attachments/${id}${size})`;
  }
}

function leftOut(alt: string): string {
  return alt === '' ? '' : `[${alt}]`;
}

/** Data URIs in a list of parts, of chat or of responses. */
function urlsIn(parts: unknown): string[] {
  if (!Array.isArray(parts)) return [];
  return parts.flatMap((part) => {
    if (!isJsonObject(part)) return [];
    const { image_url: image } = part;
    const url = isJsonObject(image) ? image.url : image;
    return typeof url === 'string' ? [url] : [];
  });
}

/** Returns the pictures of an item that has ended in a stream of `/v1/responses`, or of a whole response. */
function generatedIn({ type, item, output }: JsonObject): string[] {
  const items = type === 'response.output_item.done' ? [item] : Array.isArray(output) ? output : [];
  return items.flatMap((one) =>
    isJsonObject(one) && one.type === 'image_generation_call' && typeof one.result === 'string'
      ? [`data:image/png;base64,${one.result}`]
      : [],
  );
}

interface FoundPicture {
  readonly start: number;
  readonly end: number;
  readonly words: string;
}

/** The first picture from a place of a text on, by the expression (with `g`) of its link. */
function nextPicture(text: string, link: RegExp, from: number): FoundPicture | undefined {
  link.lastIndex = from;
  for (let match = link.exec(text); match; match = link.exec(text)) {
    const before = text.slice(Math.max(from, match.index - ALT_LENGTH_MAX - 2), match.index);
    const opening = before.lastIndexOf('![');
    const words = before.slice(opening + 2);
    if (opening !== -1 && !/[\]\n]/.test(words)) {
      return { start: match.index - words.length - 2, end: link.lastIndex, words };
    }
  }
  return undefined;
}

/** The text with something in the place of each picture, found by the expression of its link. */
function withPictures(text: string, link: RegExp, replaced: (words: string) => string): string {
  let kept = '';
  let at = 0;
  for (let one = nextPicture(text, link, 0); one; one = nextPicture(text, link, at)) {
    kept += text.slice(at, one.start) + replaced(one.words);
    at = one.end;
  }
  return kept + text.slice(at);
}

/** A text in one line without its pictures, to be compared with the same one of a client. */
export function withoutPictures(text: string): string {
  return text.includes('![') ? withPictures(text, IN_TEXT, () => ' ') : text;
}

/** A text for a runtime, to which addresses here mean nothing: the words of each picture stand for it. */
export function picturesAsWords(text: string): string {
  if (!text.includes('](/api/attachments/')) return text;
  return withPictures(text, STORED, (words) => `[Picture: ${words}]`);
}
