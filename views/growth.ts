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

interface Element {
  /** `<li>`; empty for the root. */
  readonly tag: string;
  readonly children: Node[];
  /** Its markup, with its children. */
  html: string;
}

type Node = Element | string;

const tokens = /<(\/?)([a-z][a-z0-9]*)\b[^<>]*>|[^<]+/g;
const isVoid = new Set(['br', 'hr', 'img', 'input']);

/**
 * The changes that make `before` into `after`, in their order. Both are what `renderMarkdown` makes of a beginning of one
 * text; of others the result is right, and may be all of `after`.
 */
export function changesBetween(before: Html, after: Html): Change[] {
  if (before === after) return [];
  const changes: Change[] = [];
  compare({ from: parse(before), to: parse(after), depth: 0 }, changes);
  return changes;
}

function compare(pair: { from: Element; to: Element; depth: number }, changes: Change[]): void {
  const { from, to, depth } = pair;
  let same = commonStart(from.children, to.children);
  const [old, now] = [from.children[same], to.children[same]];
  const isLastElement = !from.children.slice(same + 1).some((node) => typeof node !== 'string');
  if (isElement(old) && isElement(now) && old.tag === now.tag && isLastElement) {
    compare({ from: old, to: now, depth: depth + 1 }, changes);
    same += 1;
    while (same < from.children.length && from.children[same] === to.children[same]) same += 1;
  }
  const [gone, come] = [from.children.slice(same), to.children.slice(same)];
  const [oldText, newText] = [gone[0], come[0]];
  if (typeof oldText === 'string' && typeof newText === 'string') {
    const kept = commonText(oldText, newText);
    const html = newText.slice(kept) + come.slice(1).map(htmlOf).join('');
    const units = unitsOf(oldText.slice(kept));
    // A text of which nothing stays is a node to remove.
    if (kept > 0) gone.shift();
    if (gone.length > 0 || units > 0 || html !== '') changes.push([depth, gone.length, kept > 0 ? units : 0, html]);
  } else if (gone.length > 0 || come.length > 0) {
    changes.push([depth, gone.length, 0, come.map(htmlOf).join('')]);
  }
}

function commonStart(from: readonly Node[], to: readonly Node[]): number {
  let same = 0;
  while (same < from.length && same < to.length && htmlOf(from[same]) === htmlOf(to[same])) same += 1;
  return same;
}

/** How much of the markup of two texts is the same, without parts of entities or characters. */
function commonText(from: string, to: string): number {
  let length = 0;
  if (to.startsWith(from)) length = from.length;
  else while (length < from.length && from.charCodeAt(length) === to.charCodeAt(length)) length += 1;
  const entity = from.lastIndexOf('&', length - 1);
  if (entity >= 0 && from.indexOf(';', entity) >= length) length = entity;
  return /[\uD800-\uDBFF]/.test(from.charAt(length - 1)) ? length - 1 : length;
}

/** The length of a text in the page. */
function unitsOf(markup: string): number {
  return markup.replace(/&[^&;]+;/g, ' ').length;
}

function isElement(node: Node | undefined): node is Element {
  return typeof node === 'object';
}

function htmlOf(node: Node | undefined): string {
  return typeof node === 'string' ? node : (node?.html ?? '');
}

/** Reads what markdown-it writes: lower-case tags that all end, and no `<` or `>` anywhere else. */
function parse(html: Html): Element {
  const root: Element = { tag: '', children: [], html };
  const open: { element: Element; start: number }[] = [{ element: root, start: 0 }];
  for (const { 0: token, 1: slash, 2: name, index } of html.matchAll(tokens)) {
    const parent = open.at(-1)?.element ?? root;
    if (name === undefined) parent.children.push(token);
    else if (slash === '/') {
      const ended = open.pop();
      if (ended) ended.element.html = html.slice(ended.start, index + token.length);
    } else {
      const element: Element = { tag: token, children: [], html: token };
      parent.children.push(element);
      if (!isVoid.has(name)) open.push({ element, start: index });
    }
  }
  return root;
}
