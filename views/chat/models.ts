/** View models of the steps and the facts of an answer, and of the search. Times are in milliseconds. */
import type { Growing, Html } from '../markup';

/** A step of an answer. `id` is its element's; `goesOn` while it is not over; `tookMs` where the time is known. */
export type StepView = { id: string; goesOn: boolean; tookMs?: number } & (
  | { kind: 'thought'; length: number; isBlank?: boolean; html?: Html; growing?: Growing }
  | { kind: 'tool'; name: string; arguments: string; result?: string; wrong?: 'failed' | 'cut' }
);

/**
 * Many steps in one line: how many calls of tools are over, if there are any; how many of them failed, and how long all took.
 * `now` names the tool that is called at the moment; empty: the agent thinks.
 */
export interface FoldView {
  tools?: number;
  failed: number;
  isCut?: boolean;
  tookMs?: number;
  now?: string;
}

/** What ended an answer before it was whole: the model's limit of tokens, or a filter. */
export type CutBy = 'length' | 'content_filter';

/** How an answer came to be: how long it took, and what the calls to the LLM used, where that is known. */
export interface FactsView {
  tookMs: number;
  models: readonly string[];
  tokens?: number;
  cost?: number;
}

/** A part of a text, and whether it matches the search. */
export interface TextPiece {
  readonly text: string;
  readonly isHit: boolean;
}

/** A message, or a conversation by its title, that a search found. */
export interface SearchHit {
  href: string;
  agent: { id: string; name: string };
  atMs: number;
  isArchived: boolean;
  title: readonly TextPiece[];
  /** The found part of the message; empty for a title. */
  excerpt: readonly TextPiece[];
}

export interface SearchView {
  query: string;
  hits: readonly SearchHit[];
  /** Where older hits are. */
  moreHref?: string;
  isFirst: boolean;
  /** Whether not all messages can be found yet. */
  isIncomplete: boolean;
}
