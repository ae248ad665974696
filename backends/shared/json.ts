/** Parses JSON of unknown origin, which may even be nested so deep that a parser overflows its stack. */

/** Deepest nesting that is accepted. Code that walks over deeper values would overflow its stack. */
const DEPTH_MAX = 200;

/** Returns the value of a JSON text; `undefined` if the text is invalid or nested too deep. */
export function readJson(text: string): unknown {
  if (isDeep(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Follows the brackets of a JSON text that arrives in pieces, without building values. */
export class Nesting {
  depth = 0;
  #hasBegun = false;
  #isInString = false;
  #isEscaped = false;

  /** Whether an object or a list has ended. */
  get isWhole(): boolean {
    return this.#hasBegun && this.depth === 0;
  }

  /** Stops before the end of `text` when it is nested deeper than `depthMax`. */
  push(text: string, depthMax = Number.POSITIVE_INFINITY): void {
    for (let at = 0; at < text.length && this.depth <= depthMax; at += 1) {
      const character = text[at];
      if (this.#isEscaped) this.#isEscaped = false;
      else if (this.#isInString) {
        if (character === '\\') this.#isEscaped = true;
        else if (character === '"') this.#isInString = false;
      } else if (character === '"') this.#isInString = true;
      else if (character === '{' || character === '[') {
        this.#hasBegun = true;
        this.depth += 1;
      } else if (character === '}' || character === ']') this.depth -= 1;
    }
  }
}

function isDeep(text: string): boolean {
  // Nesting deeper than `depthMax` needs at least this many characters.
  if (text.length <= DEPTH_MAX) return false;
  const nesting = new Nesting();
  nesting.push(text, DEPTH_MAX);
  return nesting.depth > DEPTH_MAX;
}
