/** The markup of messages as views take it, and what of a text needs no renderer: only the threads that render load one. */

declare const isHtml: unique symbol;

/** Markup that `markdown.ts` or this file made, the only one that a view takes as it is. */
export type Html = string & { readonly [isHtml]: true };

export const noHtml = '' as Html;

/** A text that still grows, rendered. */
export interface Growing {
  /** How much of the text later text cannot change any more: `settledLength`. */
  readonly settled: number;
  readonly html: Html;
  /** The whole text is shown as plain text. */
  readonly isPlain?: boolean;
}

/**
 * Ids of the elements of a page whose words name the controls inside rendered text, which thereby has no language. Without
 * them there are no controls.
 */
export interface MarkdownLabels {
  copyCode: string;
}

/** A plain text, if rendering it takes too long or makes too much markup. At most six times as long as the text. */
export function renderPlain(text: string): Html {
  return (text === '' ? '' : `<p class="plain">${Bun.escapeHTML(text)}</p>`) as Html;
}

/** In UTF-16 units. A link that is longer is shown while it grows. */
const unfinishedLengthMax = 2_000;
/** A link or an address that goes on to the end of a text. */
const unfinishedLink = /(!?\[[^[\]\n]*\]\([^()\s]*|\bhttps?:\/\/\S*)$/i;

/**
 * A growing text without a link at its end, of which more may come. As long as it is incomplete, a link shows its address,
 * or leads to another one with each character.
 */
export function withoutUnfinishedLink(text: string): string {
  const end = text.slice(-unfinishedLengthMax);
  const found = unfinishedLink.exec(end);
  return found ? text.slice(0, text.length - found[0].length) : text;
}
