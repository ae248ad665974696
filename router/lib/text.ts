/** Texts: checks of single lines that people type (names, addresses, values), numbers in them, cuts, and parts of addresses. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern searches for control characters
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** Returns the problem of a line that may have at most `lengthMax` characters; undefined when it is valid. */
export function lineProblem(line: string, lengthMax: number): string | undefined {
  if (line.length > lengthMax) return `At most ${lengthMax} characters`;
  return line.search(CONTROL) === -1 ? undefined : 'Must be one line without control characters';
}

/** Returns the line without control characters, because environments, files and terminals do not treat them as text. */
export function withoutControls(line: string): string {
  return line.replace(CONTROL, '');
}

/**
 * Parses a number as people type it into a form: `1 000 000`, `2.50`. Returns null for an empty text, NaN for a
 * text that is no number.
 */
export function numberOf(typed: string): number | null {
  const digits = typed.replace(/[\s_]/g, '');
  if (digits === '') return null;
  return /^(\d+(\.\d+)?|\.\d+)$/.test(digits) ? Number(digits) : Number.NaN;
}

/** Returns a text of at most `lengthMax` characters unchanged, and of a longer one its beginning and `…`. */
export function clip(whole: string, lengthMax: number): string {
  // The cut may separate the two halves of a surrogate pair.
  return whole.length <= lengthMax ? whole : `${whole.slice(0, lengthMax).toWellFormed()}…`;
}

/** A length up to `length` that does not end between the two halves of a character, which can be neither stored nor sent apart. */
export function wholeLength(text: string, length: number): number {
  const isHalf = /[\uD800-\uDBFF]/.test(text.charAt(length - 1));
  return isHalf ? length - 1 : length;
}

/** A part of a URL without its percent-encoding; unchanged if that is not valid. */
export function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
