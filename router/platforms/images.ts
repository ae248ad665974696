/** Images: fetched before anybody needs them or at the first start, with what is known of each. */
import type { Driver, StartContext } from '../../drivers/driver';
import type { Backend, BackendRegistry } from '../backends/backends';
import type { Events } from '../lib/events';
import { driversLog } from '../lib/log';
import { isDriverFailure } from './driver-error';
import type { DriverRegistry } from './drivers';
import { type PlatformsService, problemFrom } from './health';

/** What is known of an image. `present` was there already, `ok` was fetched. */
export type ImageState =
  | { readonly state: 'present' | 'ok' }
  | { readonly state: 'pulling'; readonly message: string }
  | { readonly state: 'failed'; readonly message: string; readonly hint?: string };

/** After failed fetches in a row: 10 s, 20 s, 40 s … 10 minutes until the next. */
const BACK_OFF_MS = 10_000;
const BACK_OFF_MAX_MS = 600_000;

export interface ImagesDeps {
  readonly backends: BackendRegistry;
  readonly drivers: DriverRegistry;
  readonly platforms: PlatformsService;
  readonly events: Events;
  /** The steady clock, in milliseconds. */
  readonly now: () => number;
}

export type ImagesService = ReturnType<typeof imagesService>;

export function imagesService({ backends, drivers, platforms, events, now }: ImagesDeps) {
  /** How it went, the last time anybody knew. */
  const outcomes = new Map<string, ImageState>();
  const pulls = new Map<string, { message: string; waiting: number }>();
  /** Fetches that failed in a row, and when the next one is due. */
  const failures = new Map<string, { count: number; retryAtMs: number }>();
  const prepulls = new Map<string, Promise<void>>();

  function stateOf(image: string): ImageState | undefined {
    const pull = pulls.get(image);
    return pull ? { state: 'pulling', message: pull.message } : outcomes.get(image);
  }

  /** Tells when what is known becomes another; not for each layer of an image. */
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
    // What was fetched once is there from then on.
    const isNews = outcome.state !== 'present' || outcomes.get(image)?.state !== 'ok';
    if (isNews) change(image, () => outcomes.set(image, outcome));
  }

  /** Rejects as the driver does. Does nothing where there is nothing to fetch. */
  async function prepare(driver: Driver, image: string, context: StartContext): Promise<void> {
    let pull: { message: string; waiting: number } | undefined;
    const progress: StartContext['progress'] = (step) => {
      pull ??= begin(image);
      pull.message = step.message;
      context.progress(step);
    };
    try {
      await driver.prepare?.(image, { signal: context.signal, progress });
      settle(image, { state: pull ? 'ok' : 'present' });
    } catch (error) {
      // Given up, or not answered: the image may be there or not, as before.
      const saysNothing = context.signal.aborted || (isDriverFailure(error) && error.fault === 'unavailable');
      if (!saysNothing) settle(image, { state: 'failed', ...problemFrom(error) });
      throw error;
    } finally {
      if (pull) end(image, pull);
    }
  }

  function begin(image: string) {
    const pull = pulls.get(image) ?? { message: '', waiting: 0 };
    pull.waiting += 1;
    change(image, () => pulls.set(image, pull));
    return pull;
  }

  function end(image: string, pull: { waiting: number }): void {
    pull.waiting -= 1;
    if (pull.waiting === 0) change(image, () => pulls.delete(image));
  }

  async function prepull(driver: Driver, { image = '', timeouts }: Backend, outer: AbortSignal): Promise<void> {
    const clock = AbortSignal.timeout(timeouts.pullMs);
    const about = { driver: driver.name, image };
    try {
      await prepare(driver, image, { signal: AbortSignal.any([outer, clock]), progress: () => undefined });
      driversLog.info({ ...about, outcome: stateOf(image)?.state }, 'image.prepared');
    } catch (error) {
      const late = `It was not fetched within ${timeouts.pullMs / 1000} s.`;
      if (clock.aborted && !outer.aborted) settle(image, { state: 'failed', message: late });
      driversLog.warn({ ...about, reason: String(error) }, 'image.pull_failed');
    }
  }

  /** What the enabled backends need, each image once. */
  function wanted(): readonly Backend[] {
    const byImage = new Map<string, Backend>();
    for (const backend of backends.all()) {
      const { disabled, image, driver } = backend;
      if (!disabled && image !== undefined && drivers.find(driver)?.prepare) byImage.set(image, backend);
    }
    return [...byImage.values()];
  }

  /** Whether nothing is known of the image, or its next try is due. */
  function isDue(image: string): boolean {
    const { retryAtMs = 0 } = failures.get(image) ?? {};
    return !prepulls.has(image) && (stateOf(image) === undefined || (failures.has(image) && now() >= retryAtMs));
  }

  /** Each by itself: a registry that does not answer keeps no other image from being fetched. */
  function beginDue(signal: AbortSignal): void {
    for (const backend of wanted()) {
      const { image = '' } = backend;
      const driver = drivers.find(backend.driver);
      if (signal.aborted || !driver || !isDue(image) || platforms.problemOf(backend.driver)) continue;
      const ended = prepull(driver, backend, signal).finally(() => prepulls.delete(image));
      prepulls.set(image, ended);
    }
  }

  return {
    prepare,

    /** What is known of a backend's image. Asks nobody. */
    stateOf: ({ image }: Backend): ImageState | undefined => (image === undefined ? undefined : stateOf(image)),

    /** Image → `present`, `ok`, `pulling: …` or `failed: …`, the predecessor's words. */
    status(): Readonly<Record<string, string>> {
      const words = wanted().flatMap(({ image = '', driver }): [string, string][] => {
        const state = stateOf(image);
        const problem = platforms.problemOf(driver);
        if (state) return [[image, 'message' in state ? `${state.state}: ${state.message}` : state.state]];
        return problem ? [[image, `failed: ${problem.message}`]] : [];
      });
      return Object.fromEntries(words);
    },

    /**
     * Begins to fetch what the enabled backends need where nothing is known of it, or the last try has failed and the next
     * is due; what waits for a silent platform is left for the next time. Resolves when everything that is being fetched
     * for this has ended. Never rejects: the outcome is in `status()`.
     */
    async prepullAll(signal: AbortSignal): Promise<void> {
      beginDue(signal);
      await Promise.all(prepulls.values());
    },
  };
}
