/** How large a big database is, and who has how much of it. */

export interface Sizes {
  readonly users: number;
  /** Users beyond those, who have an account and nothing else. */
  readonly idleUsers: number;
  readonly conversations: number;
  readonly messages: number;
  /** Calls to upstreams, over a year that ends now. */
  readonly usage: number;
  /** Rows of runners whose processes are gone. */
  readonly runners: number;
  /** Each user has an agent of each. */
  readonly backends: readonly string[];
}

/** The time that the database covers. */
export const DAY_MS = 86_400_000;
export const DAYS = 366;
/** The share of the first user. */
export const HEAVY_SHARE = 0.1;

/** A number from 0 until before `limit`. */
export const below = (limit: number) => Math.floor(Math.random() * limit);
/** The first of `count` with the share of the heavy user, else any of the others. */
export const someone = (count: number) => (count === 1 || Math.random() < HEAVY_SHARE ? 0 : 1 + below(count - 1));
