/** Finds where a text stops being JSON: the engine's parser says what is wrong, but not where. Only used for a refused body. */

const SPACE = /[ \t\r\n]*/y;
const STRING = /"[ !#-[\]-\u{10ffff}]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[ !#-[\]-\u{10ffff}]*)*"/uy;
const SCALAR = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.])/y;

type Expected = 'value' | 'value or end' | 'name' | 'name or end' | 'colon' | 'comma or end';

/** Characters of the longest text in which the place is looked for. It takes 5 ms; in a longer text the place helps nobody. */
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
