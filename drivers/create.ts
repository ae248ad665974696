/** Creates the driver of a plugin, for the router and for the conformance suite. */
import type { Static, TObject } from '@sinclair/typebox';
import { checkedDriver } from './answers';
import { driverProblems } from './check';
import type { Driver, DriverPlugin, DriverServices } from './driver';

/** The router serves nobody meanwhile. */
const CREATE_MS = 30_000;

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
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`create returned no driver within ${limitMs / 1000} s`)),
    limitMs,
  );
  try {
    const driver = await Promise.race([creating, late.promise]);
    const problems = driverProblems(driver);
    if (problems.length > 0) throw new Error(problems.join('; '));
    return checkedDriver(driver);
  } catch (error) {
    // Nobody waits for it: a faulty driver may never be done with it.
    creating.then((refused) => refused?.[Symbol.asyncDispose]?.()).catch(() => undefined);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
