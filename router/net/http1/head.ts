/** The head of an HTTP/1.1 answer (RFC 9112). */

const TAB = 9;
const BLANK = 32;
/**
 * Blanks before the colon are refused, because parsers disagree about them (RFC 9112, 5.1). NUL is refused, because it
 * ends the value for some parsers, and a `Response` cannot have it.
 */
const HEADER_LINES = /^(?:\r\n[^\s:\0]+:[^\r\n\0]*)*$/;

/** The bytes are not HTTP, or contradict each other. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError';
}

/** The status and headers of an answer. A header is parsed only when it is asked for, because most never are. */
export class Head {
  readonly #text: string;
  readonly #lowerCase: string;

  /** @param text the head, from the end of the status line to the empty line. Throws `MalformedError`. */
  constructor(
    readonly status: number,
    text: string,
  ) {
    if (!HEADER_LINES.test(text)) throw new MalformedError('a header line without a name');
    this.#text = text;
    this.#lowerCase = text.toLowerCase();
  }

  /** Like `Headers.get`: several headers of one name are joined with commas. @param name in lower case. */
  get(name: string): string | null {
    const line = lineOf(name);
    let found: string | null = null;
    for (let at = this.#lowerCase.indexOf(line); at !== -1; at = this.#lowerCase.indexOf(line, at + 1)) {
      const end = this.#text.indexOf('\r\n', at + 2);
      const value = withoutBlanks(this.#text, at + line.length, end === -1 ? this.#text.length : end);
      found = found === null ? value : `${found}, ${value}`;
    }
    return found;
  }
}

const lines = new Map<string, string>();

/** The beginning of a header's line. Cached: only about a dozen names are ever asked for. */
function lineOf(name: string): string {
  let line = lines.get(name);
  if (line === undefined) {
    line = `\r\n${name}:`;
    lines.set(name, line);
  }
  return line;
}

/**
 * RFC 9110, 5.5: only blanks and tabs are trimmed. Other white space of Unicode may be part of a character in this
 * encoding.
 */
function withoutBlanks(text: string, start: number, end: number): string {
  let from = start;
  let to = end;
  while (from < to && isBlank(text.charCodeAt(from))) from += 1;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

function isBlank(code: number): boolean {
  return code === BLANK || code === TAB;
}
