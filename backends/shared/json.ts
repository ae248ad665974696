/** JSON that somebody else has written: nothing in it can be relied upon, not even that a parser survives it. */

/** Deeper nesting is nobody's answer, and what walks over it would run out of stack. */
const DEPTH_MAX = 200;

/** The value of a JSON text; `undefined` for a text that is none, and for one that is nested too deep. */
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

/** Follows the brackets of a JSON text that comes in pieces, without building anything of it. */
export class Nesting {
  depth = 0;
  #hasBegun = false;
  #isInString = false;
  #isEscaped = false;

  /** Whether an object or a list has ended. */
  get isWhole(): boolean {
    return this.#hasBegun && this.depth === 0;
  }

  /** Stops before the end of `text` where it is nested deeper than `depthMax`. */
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
  // As many brackets as that need at least so many characters.
  if (text.length <= DEPTH_MAX) return false;
  const nesting = new Nesting();
  nesting.push(text, DEPTH_MAX);
  return nesting.depth > DEPTH_MAX;
}
