/** The known state of each image: present, being fetched, or not to be had, and when that is tried again. */
import type { Events } from '../lib/events';
import type { PlatformProblem } from './health';

/** The known state of an image. `present`: it was there already. `ok`: it was fetched. */
export type ImageState =
  | { readonly state: 'present' | 'ok' }
  | { readonly state: 'pulling'; readonly message: string; readonly percent: number | undefined }
  | { readonly state: 'failed'; readonly message: string; readonly hint?: string };

/** After failed fetches in a row, the next one is due after 10 s, 20 s, 40 s … 10 minutes. */
const BACK_OFF_MS = 10_000;
const BACK_OFF_MAX_MS = 600_000;

/** A fetch that is under way, and how many wait for it. */
export interface Pull {
  message: string;
  percent: number | undefined;
  waiting: number;
}

/** @param deps.now the steady clock, in milliseconds. */
export function imageStates({ events, now }: { events: Events; now: () => number }) {
  /** The last known outcome of each image. */
  const outcomes = new Map<string, ImageState>();
  const pulls = new Map<string, Pull>();
  /** Fetches that failed in a row, and when the next one is due. */
  const failures = new Map<string, { count: number; retryAtMs: number }>();
  /** Why an image that is present could not be fetched anew. */
  const keptOld = new Map<string, string>();

  function stateOf(image: string): ImageState | undefined {
    const pull = pulls.get(image);
    return pull ? { state: 'pulling', message: pull.message, percent: pull.percent } : outcomes.get(image);
  }

  /** Publishes when the state of an image changes; not for each layer. */
  function change(image: string, act: () => void): void {
    const before = stateOf(image)?.state;
    act();
    if (before !== stateOf(image)?.state) events.publishToAll({ kind: 'platforms' });
  }

  function settle(image: string, outcome: ImageState): void {
    const count = (failures.get(image)?.count ?? 0) + 1;
    const backOffMs = Math.min(BACK_OFF_MS * 2 ** (count - 1), BACK_OFF_MAX_MS);
    if (outcome.state === 'failed') failures.set(image, { count, retryAtMs: now() + backOffMs });
    else failures.delete(image);
    // An image that was fetched stays `ok` when it is later found `present`.
    keptOld.delete(image);
    const isNews = outcome.state !== 'present' || outcomes.get(image)?.state !== 'ok';
    if (isNews) change(image, () => outcomes.set(image, outcome));
  }

  /** An image that is present stays so when it cannot be fetched anew. */
  function fail(image: string, problem: PlatformProblem, isAnew = false): void {
    const known = outcomes.get(image)?.state;
    if (isAnew && (known === 'present' || known === 'ok')) change(image, () => keptOld.set(image, problem.message));
    else settle(image, { state: 'failed', ...problem });
  }

  function begin(image: string): Pull {
    const pull = pulls.get(image) ?? { message: '', percent: undefined, waiting: 0 };
    pull.waiting += 1;
    change(image, () => pulls.set(image, pull));
    return pull;
  }

  function end(image: string, pull: Pull): void {
    pull.waiting -= 1;
    if (pull.waiting === 0) change(image, () => pulls.delete(image));
  }

  return {
    stateOf,
    settle,
    fail,

    /** A fetch has something to do; several may wait for the same one. */
    begin,
    end,

    /** Whether the state of the image is unknown, or its next try is due. */
    isDue(image: string): boolean {
      const { retryAtMs = 0 } = failures.get(image) ?? {};
      return stateOf(image) === undefined || (failures.has(image) && now() >= retryAtMs);
    },

    /** Why the image, which is present, could not be fetched anew the last time. */
    keptOldOf: (image: string): string | undefined => keptOld.get(image),
  };
}
