// Just enough DOM for tests: elements by CSS selector, from HTML text.

export interface Found {
  tag: string;
  attributes: Record<string, string>;
  /** The text inside, entities decoded, white space collapsed. */
  text: string;
}

const entities: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" };

/** Finds all elements that match a selector (what HTMLRewriter supports), in document order. */
export async function all(html: string, selector: string): Promise<Found[]> {
  const found: Found[] = [];
  const open: Found[] = [];
  const rewriter = new HTMLRewriter().on(selector, {
    element(element) {
      const entry: Found = { tag: element.tagName, attributes: decodeAll(element.attributes), text: '' };
      found.push(entry);
      if (element.selfClosing || !element.canHaveContent) return;
      open.push(entry);
      element.onEndTag(() => {
        open.splice(open.indexOf(entry), 1);
      });
    },
    text(chunk) {
      for (const entry of open) entry.text += chunk.text;
    },
  });
  await rewriter.transform(new Response(html)).text();
  for (const entry of found) entry.text = decode(entry.text).replace(/\s+/g, ' ').trim();
  return found;
}

/** The texts of all elements that match a selector. */
export async function textsOf(html: string, selector: string): Promise<string[]> {
  return (await all(html, selector)).map(({ text }) => text);
}

function decodeAll(attributes: Iterable<[string, string] | string[]>): Record<string, string> {
  return Object.fromEntries([...attributes].map(([name, value]) => [name ?? '', decode(value ?? '')]));
}

function decode(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (entity) => entities[entity] ?? entity);
}
