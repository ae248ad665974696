/**
 * How rendered Markdown differs from the rendering of the same text when it was shorter. A page that has the shorter one
 * is sent the difference: mostly a few words or one line, however large the block that they end.
 */
import type { Html } from './markup';

/**
 * One change of the page's elements. From the element that holds the text, go to the last child element `depth` times;
 * there remove the last `nodes` nodes, then the last `units` UTF-16 units of the text that is last now, and append `html`.
 * Adjoining texts are one node. `growAnswer` of assets/app/growth.js does it.
 */
export type Change = readonly [depth: number, nodes: number, units: number, html: string];

/** What follows a place in the markup, up to the end of the element that the place is in, or of one around that. */
interface Level {
  html: string;
  /** How many nodes that is. */
  nodes: number;
  /** How many of them are elements. */
  elements: number;
}

const tokens = /<(\/?)([a-z][a-z0-9]*)\b[^<>]*>|[^<]+/g;
const isVoid = new Set(['br', 'hr', 'img', 'input']);

/**
 * The changes that make `before` into `after`, in their order. Both are what markdown-it writes: lower-case tags that all
 * end, and no `<` or `>` anywhere else. The work is linear in what differs, but for the search for the place where that begins.
 */
export function changesBetween(before: Html, after: Html): Change[] {
  if (before === after) return [];
  let same = commonLength(before, after);
  let levels = levelsOf(before.slice(same));
  // An element that is not the last one of its own cannot be reached: it goes, with what follows it.
  const outermost = levels.findLastIndex(({ elements }, level) => level > 0 && elements > 0);
  if (outermost > 0) {
    same = startOf(before, same, outermost);
    levels = levelsOf(before.slice(same));
  }
  const come = levelsOf(after.slice(same));
  return levels.flatMap((old, level) => {
    const isInText = level === 0 && same > 0 && before[same - 1] !== '>';
    const change = changeOf(old, come[level]?.html ?? '', isInText);
    return change ? [[levels.length - 1 - level, ...change] as const] : [];
  });
}

/** @param isInText a text before it goes on in it. */
function changeOf(
  { html, nodes }: Level,
  come: string,
  isInText: boolean,
): readonly [nodes: number, units: number, html: string] | undefined {
  if (html === come) return undefined;
  const text = textAt(html);
  const kept = isInText ? 0 : commonText(text, textAt(come));
  // A text of which nothing stays is a node to remove.
  const isShortened = text !== '' && (isInText || kept > 0);
  return [nodes - (isShortened ? 1 : 0), isShortened ? unitsOf(text.slice(kept)) : 0, come.slice(kept)];
}

/** The length of the markup that is the same in both, without parts of tags, entities or characters. */
function commonLength(from: string, to: string): number {
  const length = commonText(from, to);
  const tag = from.lastIndexOf('<', length - 1);
  return tag >= 0 && length > 0 && from.indexOf('>', tag) >= length ? tag : length;
}

/** The same without parts of entities or characters. */
function commonText(from: string, to: string): number {
  const longest = Math.min(from.length, to.length);
  let length = 0;
  while (length < longest && from.charCodeAt(length) === to.charCodeAt(length)) length += 1;
  if (length === 0) return 0;
  const entity = from.lastIndexOf('&', length - 1);
  if (entity >= 0 && from.indexOf(';', entity) >= length) length = entity;
  return /[\uD800-\uDBFF]/.test(from.charAt(length - 1)) ? length - 1 : length;
}

/** The text at the beginning of markup. */
function textAt(html: string): string {
  const end = html.indexOf('<');
  return end < 0 ? html : html.slice(0, end);
}

/** The length of a text in the page. */
function unitsOf(markup: string): number {
  return markup.replace(/&[^&;]+;/g, ' ').length;
}

/** The levels of the end of some markup, from the one that it begins in outwards. */
function levelsOf(end: string): Level[] {
  let level: Level = { html: '', nodes: 0, elements: 0 };
  const levels = [level];
  let [start, depth] = [0, 0];
  for (const { 0: token, 1: slash, 2: name, index } of end.matchAll(tokens)) {
    if (slash === '/' && depth > 0) depth -= 1;
    else if (slash === '/') {
      level.html = end.slice(start, index);
      start = index + token.length;
      level = { html: '', nodes: 0, elements: 0 };
      levels.push(level);
    } else {
      if (depth === 0) level.nodes += 1;
      if (depth === 0 && name !== undefined) level.elements += 1;
      if (name !== undefined && !isVoid.has(name)) depth += 1;
    }
  }
  level.html = end.slice(start);
  return levels;
}

/** Where the element begins that a place of the markup is in, by its number from the innermost, which is 1. */
function startOf(html: string, place: number, number: number): number {
  let [left, closed] = [number, 0];
  for (let at = html.lastIndexOf('<', place - 1); at >= 0; at = html.lastIndexOf('<', at - 1)) {
    const name = /^[a-z][a-z0-9]*/.exec(html.slice(at + 1, at + 20))?.[0];
    if (name === undefined) closed += 1;
    else if (!isVoid.has(name)) {
      if (closed > 0) closed -= 1;
      else left -= 1;
    }
    if (left === 0) return at;
    // `lastIndexOf` takes a negative place for 0.
    if (at === 0) break;
  }
  return 0;
}
