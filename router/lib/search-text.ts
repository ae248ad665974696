import { endsInCode, textOfMarkdown } from './markdown-text';

/**
 * How text is searched. Text and query are written in the same plain way: lower case, one space for whatever is no letter
 * or digit, and a space around each character of a script that has none between words. A term is found anywhere in that
 * text; one of one or two characters only as a whole word, which for Chinese is any character.
 */

/** Characters (UTF-16 units) of a message that can be found: so much is indexed, and read again for each hit. */
export const SEARCHED_LENGTH_MAX = 32 * 1024;
/** Characters of a query that count. */
const QUERY_LENGTH_MAX = 100;
const TERMS_MAX = 8;
/** Trigrams of a query that the index is asked for. What it finds is then compared with all of the query. */
const TRIGRAMS_MAX = 32;
/** Characters that an excerpt has before and after the start of its first hit. */
const EXCERPT = { before: 50, after: 150 } as const;
/** Characters of Markdown around a hit that an excerpt is made from, and of a word that it does not cut. */
const READ = { before: 300, after: 600, word: 20 } as const;

const SEPARATE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/gu;
/** Of a script that has spaces between words. */
const LETTER = `(?!${SEPARATE.source})\\S`;
const REST_OF_WORD = new RegExp(`^(?:${LETTER})+\\s`, 'u');
const START_OF_WORD = new RegExp(`\\s(?:${LETTER})+$`, 'u');

/** The plain form, with a space at both ends. */
export function plain(text: string): string {
  const words = text.slice(0, SEARCHED_LENGTH_MAX).normalize('NFKC').toLowerCase();
  return ` ${words.replace(SEPARATE, ' $& ').replace(/[^\p{L}\p{N}\p{M}]+/gu, ' ')} `.replace(/ +/g, ' ');
}

/** The terms of a query in plain form; none where there is nothing to look for. */
export function termsOf(query: string): readonly string[] {
  const words = query.slice(0, QUERY_LENGTH_MAX).split(/\s+/u);
  const terms = words.map((word) => plain(word).trim()).filter((word) => word !== '');
  return [...new Set(terms)].slice(0, TERMS_MAX).map((term) => ([...term].length < 3 ? ` ${term} ` : term));
}

/** The query for the index: all trigrams of all terms, each quoted. */
export function matchOf(terms: readonly string[]): string {
  const trigrams = terms.flatMap((term) => {
    const characters = [...term];
    return characters.slice(2).map((_, index) => characters.slice(index, index + 3).join(''));
  });
  return [...new Set(trigrams)]
    .slice(0, TRIGRAMS_MAX)
    .map((trigram) => `"${trigram}"`)
    .join(' AND ');
}

/** Whether a text has all terms. The index alone does not know whether their trigrams stand side by side. */
export function hasAll(text: string, terms: readonly string[]): boolean {
  const found = plain(text);
  return terms.every((term) => found.includes(term));
}

export interface Piece {
  readonly text: string;
  readonly isHit: boolean;
}

/** The plain text of a Markdown around its first hit, in pieces that are a hit or not. White space is one space. */
export function excerptOf(markdown: string, terms: readonly string[]): readonly Piece[] {
  const hits = hitsOf(terms);
  const whole = markdown.slice(0, SEARCHED_LENGTH_MAX);
  const hit = Math.max(whole.search(hits), 0);
  // From the beginning of a line, where that is near.
  const line = whole.lastIndexOf('\n', hit - EXCERPT.before) + 1;
  const from = hit < READ.before ? 0 : Math.max(line, hit - READ.before);
  const read = whole.slice(from, hit + READ.after);
  const plainText = textOfMarkdown(read, endsInCode(whole.slice(0, from)));
  // What was found in the address of a link is shown as it is written.
  const text = plainText.search(hits) >= 0 ? plainText : read;
  const first = Math.max(text.search(hits), 0);
  const start = first <= EXCERPT.before ? 0 : nextWord(text, first - EXCERPT.before);
  const end = lastWord(text, first + EXCERPT.after);
  const cut = text.slice(start, end).toWellFormed().replaceAll('\uFFFD', '').replace(/\s+/gu, ' ');
  return [
    ...(from + start > 0 ? [{ text: '…', isHit: false }] : []),
    ...marked(cut.trim(), terms),
    ...(end < text.length || from + read.length < markdown.length ? [{ text: '…', isHit: false }] : []),
  ];
}

/** Behind the word that a place is in the middle of. */
function nextWord(text: string, at: number): number {
  const rest = /\s/u.test(text.charAt(at - 1)) ? null : REST_OF_WORD.exec(text.slice(at, at + READ.word));
  return at + (rest?.[0].length ?? 0);
}

/** Before the word that a place is in the middle of. */
function lastWord(text: string, at: number): number {
  const begun = /^\s|^$/u.test(text.slice(at)) ? null : START_OF_WORD.exec(text.slice(at - READ.word, at));
  return at - (begun?.[0].length ?? 0);
}

/** A text in pieces that are a hit or not. */
export function marked(text: string, terms: readonly string[]): readonly Piece[] {
  const pieces = text.split(hitsOf(terms, true)).map((piece, index) => ({ text: piece, isHit: index % 2 === 1 }));
  return pieces.filter((piece) => piece.text !== '');
}

/** Finds terms in text that is not plain. */
function hitsOf(terms: readonly string[], isGroup = false): RegExp {
  const gap = '[^\\p{L}\\p{N}\\p{M}]*';
  const any = terms.map((term) => {
    const words = term.trim().split(' ');
    const isWhole = term.startsWith(' ') && !SEPARATE_ONE.test(term.trim());
    return isWhole ? `(?<![\\p{L}\\p{N}])${words.join(gap)}(?![\\p{L}\\p{N}])` : words.join(gap);
  });
  // The longest first: of two that begin at the same place, the first one is taken.
  const source = any.sort((a, b) => b.length - a.length).join('|') || '(?!)';
  return new RegExp(isGroup ? `(${source})` : source, 'giu');
}

const SEPARATE_ONE = new RegExp(SEPARATE.source, 'u');
