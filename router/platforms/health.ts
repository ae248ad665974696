/**
 * Asks whether the platforms answer, so that pages can show what keeps an agent from starting before a message is sent.
 */

import type { Driver } from '../../drivers/driver';
import type { Events } from '../lib/events';
import { driversLog } from '../lib/log';
import { onClock, TimedOut } from '../lib/time';
import { driverHint, driverMessage, isDriverFailure } from './driver-error';
import type { DriverRegistry } from './drivers';

const PING_MS = 5_000;
/** Milliseconds: the time limit for a platform that was silent a moment ago, while a request waits for it. */
const PING_AGAIN_MS = 1_000;
const VERSION_MS = 5_000;

export interface PlatformProblem {
  /** One sentence. */
  readonly message: string;
  /** What the administrator can do about it. */
  readonly hint?: string;
}

export type PlatformsService = ReturnType<typeof platformsService>;

/** @param deps.versionMs the time limit for the version of a platform. Default: 5 s. */
export function platformsService(deps: { drivers: DriverRegistry; events: Events; versionMs?: number }) {
  const { drivers, events, versionMs = VERSION_MS } = deps;
  /** The problems of silent platforms, by the driver's name. */
  const silent = new Map<string, PlatformProblem>();
  /** What the platforms that answer say that they are, by the driver's name. */
  const versions = new Map<string, string>();

  /** Rejects with the driver's error, or with `TimedOut`. */
  async function ask(name: string, signal: AbortSignal, limitMs: number): Promise<void> {
    const driver = drivers.find(name);
    if (!driver) return;
    try {
      await onClock(limitMs, signal, (clock) => driver.ping(clock));
      // First: its version may take long, or never come.
      if (silent.delete(name)) {
        driversLog.info({ driver: name }, 'platform.answers');
        events.publishToAll({ kind: 'platforms' });
      }
      if (!versions.has(name)) await learnVersion(name, driver, signal);
    } catch (error) {
      // An aborted question says nothing about the platform.
      if (!signal.aborted) fellSilent(name, error);
      throw error;
    }
  }

  /** A platform that answers but does not report its version still works. */
  async function learnVersion(name: string, driver: Driver, signal: AbortSignal): Promise<void> {
    try {
      const version = await onClock(versionMs, signal, async (clock) => driver.version?.(clock));
      if (version !== undefined) versions.set(name, version);
    } catch (error) {
      // Otherwise each start would wait for the version. After the platform was silent, it is asked again.
      if (error instanceof TimedOut) versions.set(name, '');
      driversLog.debug({ driver: name, err: error }, 'platform.version_unknown');
    }
  }

  function fellSilent(name: string, error: unknown): void {
    const problem = problemFrom(error);
    const before = silent.get(name);
    silent.set(name, problem);
    // The platform may come back as another version.
    versions.delete(name);
    if (before?.message === problem.message) return;
    // An error that is no `DriverError` is a fault in the driver's code: its author needs the stack.
    const err = isForeseen(error) ? {} : { err: error };
    driversLog.warn({ driver: name, reason: problem.message, ...err }, 'platform.silent');
    events.publishToAll({ kind: 'platforms' });
  }

  return {
    /** The known problem that keeps the driver from starting runners. Does not ask the platform. */
    problemOf(name: string): PlatformProblem | undefined {
      return drivers.find(name) ? silent.get(name) : { message: drivers.problems[name] ?? 'It is not loaded.' };
    },

    /** A sentence for every driver that has a problem, including drivers that could not be loaded. */
    problems(): Readonly<Record<string, string>> {
      return { ...drivers.problems, ...Object.fromEntries([...silent].map(([name, { message }]) => [name, message])) };
    },

    /** Name and version of each platform that answers and has one. */
    versions: (): readonly string[] => [...versions.values()].filter((version) => version !== ''),

    /** Asks every platform; called by a timer. Never rejects: the results are in `problemOf`. */
    async check(signal: AbortSignal): Promise<void> {
      await Promise.allSettled(drivers.names().map((name) => ask(name, signal, PING_MS)));
    },

    /**
     * Asks the platform whether it answers now, before work begins there: its state may have changed since the last
     * question. Rejects with the driver's error, or with `TimedOut`.
     */
    require: (name: string, signal: AbortSignal): Promise<void> =>
      ask(name, signal, silent.has(name) ? PING_AGAIN_MS : PING_MS),
  };
}

/** Turns a driver's error into a problem, in the driver's words. */
export function problemFrom(error: unknown): PlatformProblem {
  if (error instanceof TimedOut) return { message: `It did not answer within ${error.timeoutMs / 1000} s.` };
  if (!isDriverFailure(error)) return { message: 'It failed. The log has the reason.' };
  const hint = driverHint(error);
  return { message: sentence(driverMessage(error)), ...(hint !== undefined && { hint }) };
}

function isForeseen(error: unknown): boolean {
  return error instanceof TimedOut || isDriverFailure(error);
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}
