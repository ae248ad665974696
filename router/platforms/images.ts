/** Images: fetched in advance or at the first start. */
import type { Driver, PrepareContext } from '../../drivers/driver';
import type { Backend, BackendRegistry } from '../backends/backends';
import { AppError } from '../lib/errors';
import type { Events } from '../lib/events';
import { driversLog } from '../lib/log';
import { isDriverFailure } from './driver-error';
import type { DriverRegistry } from './drivers';
import { type PlatformsService, problemFrom } from './health';
import { type ImageState, imageStates, type Pull } from './image-states';
import { toldProgress } from './progress';

interface ImagesDeps {
  readonly backends: BackendRegistry;
  readonly drivers: DriverRegistry;
  readonly platforms: PlatformsService;
  readonly events: Events;
  /** The steady clock, in milliseconds. */
  readonly now: () => number;
}

export type ImagesService = ReturnType<typeof imagesService>;

export function imagesService({ backends, drivers, platforms, events, now }: ImagesDeps) {
  const prepulls = new Map<string, Promise<void>>();
  const states = imageStates({ events, now });
  const { stateOf } = states;
  const closing = new AbortController();

  /** Rejects with the driver's error. Does nothing where the driver has nothing to fetch. */
  async function prepare(driver: Driver, image: string, context: PrepareContext): Promise<void> {
    let pull: Pull | undefined;
    const progress: PrepareContext['progress'] = (said) => {
      const step = toldProgress(said);
      pull ??= states.begin(image);
      pull.message = step.message;
      pull.percent = step.percent;
      context.progress(step);
    };
    try {
      await driver.prepare?.(image, { ...context, progress });
      states.settle(image, { state: pull ? 'ok' : 'present' });
    } catch (error) {
      // An aborted fetch or a silent platform says nothing about the image: its state stays as before.
      const saysNothing = context.signal.aborted || (isDriverFailure(error) && error.fault === 'unavailable');
      if (!saysNothing) states.fail(image, problemFrom(error), context.isAnew);
      throw error;
    } finally {
      if (pull) states.end(image, pull);
    }
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
      if (clock.aborted && !outer.aborted) states.fail(image, { message: late }, isAnew);
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
      if (
        signal.aborted ||
        !driver ||
        prepulls.has(image) ||
        !states.isDue(image) ||
        platforms.problemOf(backend.driver)
      )
        continue;
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
    keptOldOf: ({ image = '' }: Backend): string | undefined => states.keptOldOf(image),

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
