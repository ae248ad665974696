/** Whether the platforms answer: so that people learn what keeps an agent from starting before they write to it. */

import type { Events } from '../lib/events';
import { driversLog } from '../lib/log';
import { onClock, TimedOut } from '../lib/time';
import { isDriverFailure, wordsOf } from './driver-error';
import type { DriverRegistry } from './drivers';

const PING_MS = 5_000;
/** One that was silent a moment ago is not waited for that long again. */
const PING_AGAIN_MS = 1_000;

export interface PlatformProblem {
  /** One sentence. */
  readonly message: string;
  /** What the administrator can do about it. */
  readonly hint?: string;
}

export type PlatformsService = ReturnType<typeof platformsService>;

export function platformsService(deps: { drivers: DriverRegistry; events: Events }) {
  const { drivers, events } = deps;
  /** By the driver's name. */
  const silent = new Map<string, PlatformProblem>();

  /** Rejects as the driver does, or with `TimedOut`. */
  async function ask(name: string, signal: AbortSignal): Promise<void> {
    const driver = drivers.find(name);
    if (!driver) return;
    try {
      await onClock(silent.has(name) ? PING_AGAIN_MS : PING_MS, signal, (clock) => driver.ping(clock));
      if (!silent.delete(name)) return;
      driversLog.info({ driver: name }, 'platform.answers');
      events.publishToAll({ kind: 'platforms' });
    } catch (error) {
      // Who asked has gone: that says nothing of the platform.
      if (!signal.aborted) fellSilent(name, problemFrom(error));
      throw error;
    }
  }

  function fellSilent(name: string, problem: PlatformProblem): void {
    const before = silent.get(name);
    silent.set(name, problem);
    if (before?.message === problem.message) return;
    driversLog.warn({ driver: name, reason: problem.message }, 'platform.silent');
    events.publishToAll({ kind: 'platforms' });
  }

  return {
    /** What is known to keep the driver from starting anything. Asks nobody. */
    problemOf(name: string): PlatformProblem | undefined {
      return drivers.find(name) ? silent.get(name) : { message: drivers.problems[name] ?? 'It is not loaded.' };
    },

    /** Every driver that has a problem, also those that could not be loaded, with a sentence each. */
    problems(): Readonly<Record<string, string>> {
      return { ...drivers.problems, ...Object.fromEntries([...silent].map(([name, { message }]) => [name, message])) };
    },

    /** Asks every platform, as a clock does it. Never rejects: what was found out is in `problemOf`. */
    async check(signal: AbortSignal): Promise<void> {
      await Promise.allSettled(drivers.names().map((name) => ask(name, signal)));
    },

    /**
     * Asks the platform whether it answers, before something is begun there: it may have come or gone since it was last
     * asked. Rejects as the driver does, or with `TimedOut`.
     */
    require: ask,
  };
}

/** What a driver has rejected with, in its own words. */
export function problemFrom(error: unknown): PlatformProblem {
  if (error instanceof TimedOut) return { message: `It did not answer within ${error.timeoutMs / 1000} s.` };
  if (!isDriverFailure(error)) return { message: 'It failed, and the log says how.' };
  return { message: sentence(wordsOf(error)), ...(error.hint !== undefined && { hint: error.hint }) };
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}
