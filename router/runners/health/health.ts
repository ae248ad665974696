/** Applies what platforms report about runners, on request or by themselves, and finds out how a lost runner has ended. */
import type { Health } from '../../../drivers/driver';
import type { Events } from '../../lib/events';
import { runnersLog } from '../../lib/log';
import { orAbort } from '../../lib/time';
import type { LiveRunner, RunnerEnd, RunnerSlot } from '../slots/slot';
import { inspectHealth } from '../start/readiness';
import type { RunnerTransitions } from '../transitions';
import { exitError } from './failure';
import type { Reach } from './reach';

/**
 * Milliseconds in which the platform may notice an end: less than the time after which a streaming client is sent its
 * status.
 */
const NOTICE_MS = 1_000;
/**
 * Milliseconds in which the other requests to an address that is no longer the runner's are refused there as well: one
 * turn of whoever listens there now.
 */
const REFUSALS_MS = 1_000;
/**
 * First pause before the platform is asked again; pauses double. Polling is needed because not every driver reports
 * ends.
 */
const FIRST_GAP_MS = 25;

/** Where a runner was found: at the same address, at another one, or nowhere. */
type Whereabouts = 'same' | 'moved' | 'gone';

export function runnerHealth(deps: {
  readonly transitions: RunnerTransitions;
  readonly events: Events;
  findByAgent(agentId: string): RunnerSlot | undefined;
  findByRunner(runnerId: string): RunnerSlot | undefined;
}) {
  const { transitions, events, findByAgent, findByRunner } = deps;

  /** Updates the slot to the reported health and acts on it. */
  async function follow(slot: RunnerSlot, runnerId: string, health: Health): Promise<Whereabouts> {
    if (health.state === 'exited' || health.state === 'gone') {
      // In the slot's queue, so that the end of a runner whose start is just finishing is not missed.
      await slot.serial(() => transitions.exited(slot, runnerId, health));
      return 'gone';
    }
    if (slot.runner?.id !== runnerId) return 'same';
    if (health.state === 'paused') await slot.serial(() => transitions.paused(slot, runnerId));
    if (health.state === 'unknown' && slot.state === 'running') transitions.unknown(slot);
    if (health.state !== 'running') return 'same';
    if (slot.state === 'unknown' || slot.state === 'paused') transitions.running(slot);
    const { url } = health;
    if (url === undefined || url === slot.runner.url) return 'same';
    return (await slot.serial(() => transitions.moved(slot, runnerId, url))) ? 'moved' : 'gone';
  }

  /** Asks the platform about a runner, because it did not answer or because its driver does not report changes. */
  async function look(runner: LiveRunner): Promise<Whereabouts> {
    const slot = findByAgent(runner.agentId);
    const health = await inspectHealth((signal) => runner.driver.inspect(runner.handle, signal));
    if (!slot) return health.state === 'exited' || health.state === 'gone' ? 'gone' : 'same';
    const found = await follow(slot, runner.id, health);
    // Another request may have found the new address first.
    return found === 'same' && slot.runner?.id === runner.id && slot.runner.url !== runner.url ? 'moved' : found;
  }

  return {
    look,

    /** Like `look`. @returns whether the runner no longer exists. */
    isLost: async (runner: LiveRunner): Promise<boolean> => (await look(runner)) === 'gone',

    /**
     * Finds out whether the address to which a request was sent still belongs to the runner, because the connection or
     * the key was refused there. After a restart of a runner, its old address may belong to another runner (decision
     * 0027). Ends a runner that cannot be reached, unless another request is still at work with it after 1 s.
     */
    async reachOf(runner: LiveRunner): Promise<Reach> {
      const slot = findByAgent(runner.agentId);
      if (!slot || (await look(runner)) !== 'same') return 'elsewhere';
      const ask = () => slot.serial(() => transitions.requireReachable(slot, runner));
      const reach = await ask();
      // What keeps the runner may be requests that were sent to the same address and are about to be refused there. The
      // wait is outside the queue, so that all such requests wait at the same time.
      return reach === 'nowhere' && slot.isAtWork && (await slot.quiet(REFUSALS_MS)) ? ask() : reach;
    },

    /**
     * Says how a runner has ended whose connection broke: the platform may know it a moment after the connection does.
     * Waits at most 1 s. Returns `undefined` when the runner still exists or the platform does not say.
     */
    async endOf(runner: LiveRunner): Promise<RunnerEnd | undefined> {
      const slot = findByAgent(runner.agentId);
      if (!slot) return undefined;
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
    },

    /** Called when the platform reports a change of health. */
    async healthChanged(runnerId: string, health: Health): Promise<void> {
      const slot = findByRunner(runnerId);
      if (!slot) return;
      if (health.state === 'exited' || health.state === 'gone') slot.onExit?.(health);
      const found = await follow(slot, runnerId, health);
      if (found === 'moved') runnersLog.info({ agent: slot.agent.id, runner: runnerId }, 'runner.moved');
    },
  };
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
