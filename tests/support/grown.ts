/** What a page shows of an answer that grows, kept as assets/app/growth.js and htmx keep it. */
import type { Change } from '../../views/growth';

interface Element {
  tag: string;
  children: (Element | string)[];
}

/** The text of an answer on a page. */
export class Grown {
  #root: Element;

  /** @param html what the page has at first. */
  constructor(html = '') {
    this.#root = { tag: '', children: parse(html) };
  }

  /** What an event of the page's stream does to the newest answer: its text grows, or comes anew with the message; a morph leaves it. */
  apply({ event, data }: { event?: string | undefined; data: string }): this {
    if (event === 'grow') return this.grow(JSON.parse(data));
    for (const part of event === undefined ? data.split(/(?=<hx-partial)/) : []) {
      if (!/^<hx-partial[^>]*outerMorph/.test(part)) this.#root = answerIn(part) ?? this.#root;
    }
    return this;
  }

  grow(changes: readonly Change[]): this {
    for (const [depth, nodes, units, html] of changes) {
      let place = this.#root;
      for (let level = 0; level < depth; level++) {
        const child = place.children.findLast((node) => typeof node !== 'string');
        if (typeof child !== 'object') throw new Error(`There is no element at depth ${level + 1} of ${this.html}`);
        place = child;
      }
      if (nodes > place.children.length) throw new Error(`There are no ${nodes} nodes to remove`);
      place.children.splice(place.children.length - nodes, nodes);
      const last = place.children.at(-1);
      if (units > 0) {
        if (typeof last !== 'string') throw new Error('There is no text to shorten');
        const kept = textOf(last);
        place.children.splice(-1, 1, Bun.escapeHTML(kept.slice(0, kept.length - units)).replaceAll('&#x27;', "'"));
      }
      for (const node of parse(html)) {
        const before = place.children.at(-1);
        // Adjoining texts are one.
        if (typeof node === 'string' && typeof before === 'string') place.children.splice(-1, 1, before + node);
        else place.children.push(node);
      }
    }
    return this;
  }

  get html(): string {
    return this.#root.children.map(htmlOf).join('');
  }
}

function htmlOf(node: Element | string): string {
  if (typeof node === 'string') return node;
  const inside = node.children.map(htmlOf).join('');
  return /^<(br|hr|input)\b/.test(node.tag) ? node.tag : `${node.tag}${inside}</${/\w+/.exec(node.tag)?.[0]}>`;
}

/** The text of the last answer in the markup of a page, or of a part of it. */
function answerIn(markup: string): Element | undefined {
  const from = [...markup.matchAll(/<div id="message-\w+-text"/g)].at(-1)?.index;
  const [text] = from === undefined ? [] : parse(markup.slice(from));
  return typeof text === 'object' ? { ...text, tag: '' } : undefined;
}

function parse(html: string): (Element | string)[] {
  const root: Element = { tag: '', children: [] };
  const open = [root];
  for (const token of html.match(/<[^>]*>|[^<]+/g) ?? []) {
    if (token.startsWith('</')) open.pop();
    else if (token.startsWith('<')) {
      const element = { tag: token, children: [] };
      open.at(-1)?.children.push(element);
      if (!/^<(br|hr|input)\b/.test(token)) open.push(element);
    } else open.at(-1)?.children.push(token);
  }
  return root.children;
}

const entities: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#x27;': "'" };
const textOf = (markup: string) => markup.replace(/&(amp|lt|gt|quot|#x27);/g, (entity) => entities[entity] ?? entity);
