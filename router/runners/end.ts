/**
 * Finds out how a runner has ended after its connection broke: the platform may know it a moment after the connection
 * does.
 */
import type { Events } from '../lib/events';
import { orAbort } from '../lib/time';
import { exitError } from './failure';
import type { Whereabouts } from './health';
import type { LiveRunner, RunnerEnd, RunnerSlot } from './slot';

/**
 * Milliseconds in which the platform may notice an end: less than the time after which a streaming client is sent its
 * status.
 */
const NOTICE_MS = 1_000;
/**
 * First pause before the platform is asked again; pauses double. Polling is needed because not every driver reports
 * ends.
 */
const FIRST_GAP_MS = 25;

/**
 * Waits until the end of `runner` is known, at most 1 s. Returns `undefined` when the runner still exists or the
 * platform does not say.
 * @param look asks the platform, and updates the slot when the runner has ended.
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

/** The slot keeps only the newest end, so nothing is known of a runner that ended before another one. */
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
