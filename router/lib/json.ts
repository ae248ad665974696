/**
 * Reads JSON that others have written. Refuses a text that is nested deeply or has very many parts: code that walks such a
 * value could run out of stack, and would block the event loop.
 */

import { isUtf8 } from 'node:buffer';
import { AppError } from './errors';
import { faultIn } from './json-fault';

/** Levels of nested lists and objects. The deepest JSON in practice, schemas of tools, stays below 40. */
const NESTING_MAX = 200;
/**
 * Limit of the work of one text: 1 for each character outside of strings and for each escape, `STRING_WORK` for each string. It
 * takes 40 ms on a slow core (measured on Bun 1.4.5). A long text or a picture is one string.
 */
const WORK_MAX = 1_000_000;
const STRING_WORK = 8;
const QUOTE = 34;
const utf8 = new TextDecoder();
const BACKSLASH = '\\';

/** A JSON object that others have written: none of its members is validated. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Thrown for a text that is refused whether it is JSON or not. The message is the end of a sentence about the text. */
class JsonLimitError extends Error {
  override readonly name = 'JsonLimitError';
}

/**
 * The value of a JSON text, in a time that is bounded for every text. Throws `SyntaxError`, and `JsonLimitError` beyond
 * `NESTING_MAX` and `workMax`.
 */
export function parseJson(text: string, { workMax = WORK_MAX } = {}): unknown {
  // Nearly every text is short and flat: only its brackets are counted.
  const isSmall = text.length * STRING_WORK <= workMax;
  if (!isSmall || hasMoreThan(NESTING_MAX, '[', '{', text)) checkLimits(text, workMax);
  return JSON.parse(text);
}

/** Whether `parseJson` refuses a text for its size or its nesting. */
export function isBeyondLimits(text: string): boolean {
  try {
    checkLimits(text, WORK_MAX);
    return false;
  } catch {
    return true;
  }
}

/** The object of a JSON text; `undefined` for every other value, and for a text that `parseJson` refuses. */
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
 * Throws `TypeError` for bytes that are not UTF-8. Checked first, because both other ways are slow for hostile bytes: replacement
 * characters for many of them, and a `fatal` decoder with a wrong byte after megabytes.
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

/** Returns a text unchanged, and '' for any other value: `String(value)` could call a foreign `toString`. */
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
 * more. Call it for ascending places: all calls together then take one pass.
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
