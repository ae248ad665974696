/**
 * JSON that others have written: every text of it that the router reads goes through here. What is deep or has very
 * many parts is not read: code that walks a value would run out of stack, and everybody else would wait meanwhile.
 */

import { isUtf8 } from 'node:buffer';
import { AppError } from './errors';

/** How deep lists and objects may stand in each other: schemas of tools, the deepest that is sent, stay below 40. */
const NESTING_MAX = 200;
/**
 * The work that one text may be, in characters outside of strings, escapes, and `STRING_WORK` for each string: 40 ms on
 * a slow core (measured on Bun 1.4.5). A long text or a picture is one string.
 */
const WORK_MAX = 1_000_000;
const STRING_WORK = 8;
const QUOTE = 34;
const utf8 = new TextDecoder();
const BACKSLASH = '\\';

/** A JSON object that somebody else has written: nothing in it can be relied upon. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The text may be JSON, but it is not read. The message says why, as the end of a sentence about the text. */
class JsonLimitError extends Error {
  override readonly name = 'JsonLimitError';
}

/**
 * The value of a JSON text, in a time that is bounded for every text. Throws `SyntaxError`, and `JsonLimitError` beyond
 * `NESTING_MAX` and `workMax`.
 */
export function parseJson(text: string, { workMax = WORK_MAX } = {}): unknown {
  // Nearly every text is short and flat, and then a look for brackets is all that it costs.
  const isSmall = text.length * STRING_WORK <= workMax;
  if (!isSmall || hasMoreThan(NESTING_MAX, '[', '{', text)) checkLimits(text, workMax);
  return JSON.parse(text);
}

/** Whether a text is not read although it may be JSON. */
export function isBeyondLimits(text: string): boolean {
  try {
    checkLimits(text, WORK_MAX);
    return false;
  } catch {
    return true;
  }
}

/** The object of a JSON text; `undefined` for everything else, such as a text that is not read. */
export function jsonObject(text: string | Uint8Array): JsonObject | undefined {
  try {
    const value = parseJson(typeof text === 'string' ? text : decoded(text));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The JSON object that the body of a request is. Throws `invalid_request` with what is wrong and, in a body that is not
 * large, where.
 */
export function parseBody(bytes: Uint8Array, limits?: { readonly workMax: number }): JsonObject {
  let value: unknown;
  let text = '';
  try {
    text = decoded(bytes);
    value = parseJson(text, limits);
  } catch (cause) {
    throw new AppError('invalid_request', { message: `The body ${whyNotJson(cause, text)}.`, cause });
  }
  if (isJsonObject(value)) return value;
  throw new AppError('invalid_request', { message: 'The body must be a JSON object.' });
}

/**
 * Checked first: to make replacement characters of many bytes takes long, and so does a decoder that is `fatal` with one
 * wrong byte behind megabytes of others. Throws `TypeError`.
 */
function decoded(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new TypeError('not UTF-8');
  return utf8.decode(bytes);
}

/** What is wrong with a text that `parseJson` has refused, and where: "is not valid JSON at line 1, column 5: …". */
export function whyNotJson(cause: unknown, text: string): string {
  if (cause instanceof JsonLimitError) return cause.message;
  if (!(cause instanceof SyntaxError)) return 'is not valid UTF-8';
  const fault = faultIn(text);
  const place = fault ? ` at line ${fault.line}, column ${fault.column}` : '';
  return `is not valid JSON${place}: ${cause.message.replace(/^JSON Parse error: /, '')}`;
}

/** Returns a text, and '' for any other value: converting a value of others to text could call its `toString`. */
export function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasMoreThan(max: number, one: string, other: string, text: string): boolean {
  if (text.length <= max) return false;
  let count = 0;
  for (const bracket of [one, other]) {
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) {
      count += 1;
      if (count > max) return true;
    }
  }
  return false;
}

function checkLimits(text: string, workMax: number): void {
  const strings = stringsIn(text, workMax);
  let depth = 0;
  let work = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    work += 1;
    if (code === QUOTE) {
      const { end, escapes } = strings(at);
      work += STRING_WORK + escapes;
      at = end;
    } else if (code === 0x5b || code === 0x7b) depth += 1;
    else if (code === 0x5d || code === 0x7d) depth -= 1;
    if (depth > NESTING_MAX) throw new JsonLimitError(`is nested deeper than ${NESTING_MAX} levels`);
    if (work > workMax) throw new JsonLimitError('has too many values, or too much space between them');
  }
}

/**
 * Finds where the string ends that begins at a place, and its escapes, of which it counts up to `escapesMax` and one
 * more. To be asked in order: then all takes one pass.
 */
function stringsIn(text: string, escapesMax: number) {
  const from = (what: string, start: number) => {
    const at = text.indexOf(what, start);
    return at === -1 ? text.length : at;
  };
  let slash = from(BACKSLASH, 0);
  return (start: number): { readonly end: number; readonly escapes: number } => {
    let end = from('"', start + 1);
    let escapes = 0;
    if (slash < start) slash = from(BACKSLASH, start);
    while (slash < end && escapes <= escapesMax) {
      escapes += 1;
      if (end === slash + 1) end = from('"', end + 1);
      slash = from(BACKSLASH, slash + 2);
    }
    return { end, escapes };
  };
}

// Where a text stops being JSON: the engine's parser says what is wrong, but not where. Only asked about a refused body.

const SPACE = /[ \t\r\n]*/y;
const STRING = /"[ !#-[\]-\u{10ffff}]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[ !#-[\]-\u{10ffff}]*)*"/uy;
const SCALAR = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.])/y;

type Expected = 'value' | 'value or end' | 'name' | 'name or end' | 'colon' | 'comma or end';

/** Characters in which the place of a fault is looked for. This much takes 5 ms, and nobody reads the place in a longer text. */
const LENGTH_MAX = 65_536;

/** Line and column of the first token that does not belong, from 1; `undefined` for a text that is JSON, or too long. */
export function faultIn(text: string): { readonly line: number; readonly column: number } | undefined {
  const at = text.length > LENGTH_MAX ? undefined : faultAt(text);
  if (at === undefined) return undefined;
  const before = text.slice(0, at).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

function faultAt(text: string): number | undefined {
  const ends: string[] = [];
  let expected = 'value' as Expected;
  let at = 0;
  /** The length of the token that is expected here; 0 when another one is. */
  const next = (): number => {
    const character = text[at] ?? '';
    const isEnd = character !== '' && character === ends.at(-1) && expected.endsWith('end');
    if (isEnd) {
      ends.pop();
      expected = 'comma or end';
      return 1;
    }
    if (expected === 'colon' || expected === 'comma or end') {
      if (character !== (expected === 'colon' ? ':' : ',') || ends.length === 0) return 0;
      expected = expected === 'colon' || ends.at(-1) === ']' ? 'value' : 'name';
      return 1;
    }
    const isName = expected.startsWith('name');
    if (!isName && (character === '{' || character === '[')) {
      ends.push(character === '{' ? '}' : ']');
      expected = character === '{' ? 'name or end' : 'value or end';
      return 1;
    }
    expected = isName ? 'colon' : 'comma or end';
    return lengthOf(STRING, text, at) || (isName ? 0 : lengthOf(SCALAR, text, at));
  };
  for (;;) {
    at += lengthOf(SPACE, text, at);
    if (at === text.length && ends.length === 0 && expected === 'comma or end') return undefined;
    const length = next();
    if (length === 0) return at;
    at += length;
  }
}

function lengthOf(token: RegExp, text: string, at: number): number {
  token.lastIndex = at;
  return token.exec(text)?.[0].length ?? 0;
}
