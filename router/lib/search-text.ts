/**
 * Compares texts with the terms of a search. Both are brought into the same plain form: lower case, one space in place of all
 * other characters than letters and digits, and spaces around each character of a script without spaces between words. A term
 * matches anywhere in that form; a term of one or two characters only as a whole word, which in Chinese is any character.
 */
import { endsInCode, textOfMarkdown } from './markdown-text';

/** Characters (UTF-16 units) of a message that are indexed, and read again for each hit. */
export const SEARCHED_LENGTH_MAX = 32 * 1024;
/** Characters of a query that count. */
const QUERY_LENGTH_MAX = 100;
const TERMS_MAX = 8;
/** Trigrams of a query that are looked up in the index. The hits are then compared with the whole query. */
const TRIGRAMS_MAX = 32;
/** Characters that an excerpt has before and after the start of its first hit. */
const EXCERPT = { before: 50, after: 150 } as const;
/** Characters of Markdown around a hit from which an excerpt is made; `word`: the longest word that is not cut. */
const READ = { before: 300, after: 600, word: 20 } as const;

const SEPARATE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/gu;
const SEPARATE_ONE = new RegExp(SEPARATE.source, 'u');
/** A letter of a script that has spaces between words. */
const LETTER = `(?!${SEPARATE.source})\\S`;
const REST_OF_WORD = new RegExp(`^(?:${LETTER})+\\s`, 'u');
const START_OF_WORD = new RegExp(`\\s(?:${LETTER})+$`, 'u');

/** The plain form, with a space at both ends. */
export function plain(text: string): string {
  const words = text.slice(0, SEARCHED_LENGTH_MAX).normalize('NFKC').toLowerCase();
  return ` ${words.replace(SEPARATE, ' $& ').replace(/[^\p{L}\p{N}\p{M}]+/gu, ' ')} `.replace(/ +/g, ' ');
}

/** The terms of a query in plain form; empty for a query without a letter or digit. */
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
  // A hit in the address of a link is shown with the Markdown around it.
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

/** The end of the word around a place. */
function nextWord(text: string, at: number): number {
  const rest = /\s/u.test(text.charAt(at - 1)) ? null : REST_OF_WORD.exec(text.slice(at, at + READ.word));
  return at + (rest?.[0].length ?? 0);
}

/** The start of the word around a place. */
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
