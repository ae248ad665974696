/** How a runner has ended whose connection broke: a platform may know it a moment later than the connection. */
import type { Events } from '../lib/events';
import { orAbort } from '../lib/time';
import { exitError } from './failure';
import type { Whereabouts } from './health';
import type { LiveRunner, RunnerEnd, RunnerSlot } from './slot';

/** So long the platform is given to notice an end: less than a streaming client waits for its status. */
const NOTICE_MS = 1_000;
/** The platform is asked again after gaps that double: not every one reports by itself. */
const FIRST_GAP_MS = 25;

/**
 * Waits until the end of `runner` is known, at most 1 s. `undefined` when it proves to be there, or nobody knows.
 * @param look asks the platform, and sees to it that the slot knows of an end.
 */
export async function findEnd(
  runner: LiveRunner,
  slot: RunnerSlot,
  { events, look }: { events: Events; look(runner: LiveRunner): Promise<Whereabouts> },
): Promise<RunnerEnd | undefined> {
  const clock = AbortSignal.timeout(NOTICE_MS);
  const known = () => (slot.end?.runnerId === runner.id ? slot.end : undefined);
  const find = async (): Promise<RunnerEnd | undefined> => {
    for (let gapMs = FIRST_GAP_MS; !known() && !clock.aborted; gapMs *= 2) {
      const found = await look(runner);
      if (found === 'gone') return known() ?? vanished(runner);
      if (found === 'moved') return undefined;
      await news(events, slot, gapMs);
    }
    return known();
  };
  return orAbort(find(), clock).catch(known);
}

/** Nothing is known any more of one that ended before another. */
function vanished(runner: LiveRunner): RunnerEnd {
  return { runnerId: runner.id, isAsked: false, error: Promise.resolve(exitError({ state: 'gone' }, '')) };
}

/** Resolves when the state of the agent's runner changes, at the latest after `ms`. */
function news(events: Events, { agent }: RunnerSlot, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const unsubscribe = events.subscribe(agent.userId, (event) => {
    if (event.kind === 'runner' && event.agentId === agent.id) resolve();
  });
  return promise.finally(() => {
    clearTimeout(timer);
    unsubscribe();
  });
}
