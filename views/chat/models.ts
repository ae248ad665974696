/** View models of what is around the text of an answer. Times are in milliseconds. */
import type { Growing, Html } from '../markup';

/** A step of an answer. `id` is its element's; `goesOn` while it is not over; `tookMs` where the time is known. */
export type StepView = { id: string; goesOn: boolean; tookMs?: number } & (
  | { kind: 'thought'; length: number; isBlank?: boolean; html?: Html; growing?: Growing }
  | { kind: 'tool'; name: string; arguments: string; result?: string }
);

/** How an answer came to be: how long it took, and what the calls to the LLM used, where that is known. */
export interface FactsView {
  tookMs: number;
  models: readonly string[];
  tokens?: number;
  cost?: number;
}
