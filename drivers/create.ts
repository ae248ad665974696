/** Creates the driver of a plugin and lets go of it, for the router and for the conformance suite. */
import type { Static, TObject } from '@sinclair/typebox';
import { checkedDriver } from './answers';
import { driverProblems } from './check';
import type { Driver, DriverPlugin, DriverServices } from './driver';

/** Each for the import and for `create`: the router serves nobody until they end. */
const CREATE_MS = 30_000;
/** The router ends without it then. */
const DISPOSE_MS = 5_000;

/**
 * Returns a driver whose answers are checked. Throws when `create` fails, takes longer than `limitMs`, or returns something
 * else than a driver; what it returned is then disposed of.
 */
export async function createDriver(
  plugin: DriverPlugin,
  options: Static<TObject>,
  services: DriverServices,
  limitMs = CREATE_MS,
): Promise<Driver> {
  const creating = Promise.try(() => plugin.create(options, services));
  try {
    const driver = await inTime(creating, limitMs, 'create returned no driver');
    const problems = driverProblems(driver);
    if (problems.length > 0) throw new Error(problems.join('; '));
    return checkedDriver(driver);
  } catch (error) {
    // Nobody waits for it: a faulty driver may never be done with it.
    creating.then((refused) => refused?.[Symbol.asyncDispose]?.()).catch(() => undefined);
    throw error;
  }
}

/** Closes what a driver has opened; its runners go on. Rejects when that fails, or takes longer than `limitMs`. */
export async function disposeDriver(driver: Driver, limitMs = DISPOSE_MS): Promise<void> {
  await inTime(
    Promise.try(() => driver[Symbol.asyncDispose]?.()),
    limitMs,
    'asyncDispose did not end',
  );
}

/** Rejects if the work takes longer, with a message that begins with `late`. */
export async function inTime<T>(work: Promise<T>, limitMs = CREATE_MS, late = 'it did not end'): Promise<T> {
  const limit = Promise.withResolvers<never>();
  const timer = setTimeout(() => limit.reject(new Error(`${late} within ${limitMs / 1000} s`)), limitMs);
  try {
    return await Promise.race([work, limit.promise]);
  } finally {
    clearTimeout(timer);
  }
}
