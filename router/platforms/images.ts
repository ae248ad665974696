/** Images: fetched in advance or at the first start, with the known state of each. */
import type { Driver, PrepareContext } from '../../drivers/driver';
import type { Backend, BackendRegistry } from '../backends/backends';
import { AppError } from '../lib/errors';
import type { Events } from '../lib/events';
import { driversLog } from '../lib/log';
import { isDriverFailure } from './driver-error';
import type { DriverRegistry } from './drivers';
import { type PlatformProblem, type PlatformsService, problemFrom } from './health';

/** The known state of an image. `present`: it was there already. `ok`: it was fetched. */
export type ImageState =
  | { readonly state: 'present' | 'ok' }
  | { readonly state: 'pulling'; readonly message: string; readonly percent: number | undefined }
  | { readonly state: 'failed'; readonly message: string; readonly hint?: string };

/** After failed fetches in a row, the next one is due after 10 s, 20 s, 40 s … 10 minutes. */
const BACK_OFF_MS = 10_000;
const BACK_OFF_MAX_MS = 600_000;

/** A fetch that is under way, and how many wait for it. */
interface Pull {
  message: string;
  percent: number | undefined;
  waiting: number;
}

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
  /** The last known outcome of each image. */
  const outcomes = new Map<string, ImageState>();
  const pulls = new Map<string, Pull>();
  /** Fetches that failed in a row, and when the next one is due. */
  const failures = new Map<string, { count: number; retryAtMs: number }>();
  const prepulls = new Map<string, Promise<void>>();
  /** Why an image that is present could not be fetched anew. */
  const keptOld = new Map<string, string>();
  const closing = new AbortController();

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

  /** Rejects with the driver's error. Does nothing where the driver has nothing to fetch. */
  async function prepare(driver: Driver, image: string, context: PrepareContext): Promise<void> {
    let pull: Pull | undefined;
    const progress: PrepareContext['progress'] = (step) => {
      pull ??= begin(image);
      pull.message = step.message;
      pull.percent = step.percent;
      context.progress(step);
    };
    try {
      await driver.prepare?.(image, { ...context, progress });
      settle(image, { state: pull ? 'ok' : 'present' });
    } catch (error) {
      // An aborted fetch or a silent platform says nothing about the image: its state stays as before.
      const saysNothing = context.signal.aborted || (isDriverFailure(error) && error.fault === 'unavailable');
      if (!saysNothing) fail(image, problemFrom(error), context.isAnew);
      throw error;
    } finally {
      if (pull) end(image, pull);
    }
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

  async function prepull(
    driver: Driver,
    { image = '', timeouts }: Backend,
    outer: AbortSignal,
    isAnew = false,
  ): Promise<void> {
    const clock = AbortSignal.timeout(timeouts.pullMs);
    const about = { driver: driver.name, image };
    try {
      await prepare(driver, image, { signal: AbortSignal.any([outer, clock]), progress: () => undefined, isAnew });
      driversLog.info({ ...about, outcome: stateOf(image)?.state }, 'image.prepared');
    } catch (error) {
      const late = `It was not fetched within ${timeouts.pullMs / 1000} s.`;
      if (clock.aborted && !outer.aborted) fail(image, { message: late }, isAnew);
      driversLog.warn({ ...about, reason: String(error) }, 'image.pull_failed');
    }
  }

  /** The backends whose images are needed, each image once. */
  function wanted(): readonly Backend[] {
    const byImage = new Map<string, Backend>();
    for (const backend of backends.all()) {
      const { disabled, image, driver } = backend;
      if (!disabled && image !== undefined && drivers.find(driver)?.prepare) byImage.set(image, backend);
    }
    return [...byImage.values()];
  }

  /** Whether the state of the image is unknown, or its next try is due. */
  function isDue(image: string): boolean {
    const { retryAtMs = 0 } = failures.get(image) ?? {};
    return !prepulls.has(image) && (stateOf(image) === undefined || (failures.has(image) && now() >= retryAtMs));
  }

  function begun(driver: Driver, backend: Backend, signal: AbortSignal, isAnew = false): Promise<void> {
    const { image = '' } = backend;
    const ended = prepull(driver, backend, signal, isAnew).finally(() => prepulls.delete(image));
    prepulls.set(image, ended);
    return ended;
  }

  /** Starts each fetch separately: a registry that does not answer delays only its own images. */
  function beginDue(signal: AbortSignal): void {
    for (const backend of wanted()) {
      const { image = '' } = backend;
      const driver = drivers.find(backend.driver);
      if (signal.aborted || !driver || !isDue(image) || platforms.problemOf(backend.driver)) continue;
      void begun(driver, backend, signal);
    }
  }

  return {
    prepare,

    /** The known state of a backend's image. Asks no platform. */
    stateOf: ({ image }: Backend): ImageState | undefined => (image === undefined ? undefined : stateOf(image)),

    /** Whether `fetchAnew` can fetch an image for the backend. */
    canFetch: ({ image, driver }: Backend): boolean =>
      image !== undefined && drivers.find(driver)?.prepare !== undefined,

    /**
     * Begins to fetch the image of a backend, also where it is present; how that goes is in `stateOf`. Does nothing while it is
     * being fetched. Throws `conflict` for a backend without an image, and `driver_unavailable` while its platform is silent.
     */
    fetchAnew(backend: Backend): void {
      const { name, image = '' } = backend;
      const driver = drivers.find(backend.driver);
      const problem = platforms.problemOf(backend.driver);
      if (problem) throw new AppError('driver_unavailable', problem);
      if (image === '' || !driver?.prepare) {
        throw new AppError('conflict', {
          message: `The backend "${name}" has no image: its runners start without one.`,
        });
      }
      if (!prepulls.has(image)) void begun(driver, backend, closing.signal, true);
    },

    /** Why the image, which is present, could not be fetched anew the last time. */
    keptOldOf: ({ image = '' }: Backend): string | undefined => keptOld.get(image),

    /** Image → `present`, `ok`, `pulling: …` or `failed: …`, in the words of the predecessor. */
    status(): Readonly<Record<string, string>> {
      const states = wanted().flatMap(({ image = '', driver }): [string, string][] => {
        const state = stateOf(image);
        const problem = platforms.problemOf(driver);
        if (state) return [[image, 'message' in state ? `${state.state}: ${state.message}` : state.state]];
        return problem ? [[image, `failed: ${problem.message}`]] : [];
      });
      return Object.fromEntries(states);
    },

    /** Ends the fetches that `fetchAnew` has begun, and waits for the others, whose signal has aborted. */
    async close(): Promise<void> {
      closing.abort();
      await Promise.all(prepulls.values());
    },

    /**
     * Begins to fetch the images of the enabled backends that are unknown or due again; images of a silent platform
     * wait for the next call. Resolves when all of these fetches have ended. Never rejects: the outcome is in
     * `status()`.
     */
    async prepullAll(signal: AbortSignal): Promise<void> {
      beginDue(signal);
      await Promise.all(prepulls.values());
    },
  };
}
