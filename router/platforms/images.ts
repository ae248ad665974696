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

export interface ImagesDeps {
  readonly backends: BackendRegistry;
  readonly drivers: DriverRegistry;
  readonly platforms: PlatformsService;
  readonly events: Events;
}

export type ImagesService = ReturnType<typeof imagesService>;

export function imagesService({ backends, drivers, platforms, events }: ImagesDeps) {
  /** How it went, the last time anybody knew. */
  const outcomes = new Map<string, ImageState>();
  const pulls = new Map<string, { message: string; waiting: number }>();
  let pass: Promise<void> | undefined;

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

  async function prepullWanted(signal: AbortSignal): Promise<void> {
    for (const backend of wanted()) {
      const driver = drivers.find(backend.driver);
      if (signal.aborted || !driver || stateOf(backend.image ?? '') || platforms.problemOf(backend.driver)) continue;
      await prepull(driver, backend, signal);
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
     * Fetches what the enabled backends need and nothing is known of, one after another; what waits for a silent
     * platform is left for the next time. Never rejects, never runs twice at once: the outcome is in `status()`.
     */
    prepullAll(signal: AbortSignal): Promise<void> {
      pass ??= prepullWanted(signal).finally(() => {
        pass = undefined;
      });
      return pass;
    },
  };
}
