/** Checks what the methods of a driver answer, for the router and for the conformance suite. */
import { METHODS } from './check';
import { type Driver, DriverError } from './driver';

/** What is expected of an answer, or of one of its members; `undefined` where it is right. */
type Check = (answer: unknown) => string | undefined;

type Method = (typeof METHODS)[number];

const STATES = ['running', 'paused', 'exited', 'gone', 'unknown'];

const isText: Check = (value) =>
  typeof value === 'string' && value !== '' ? undefined : 'expected a string, not empty';
const isNumber: Check = (value) => (typeof value === 'number' ? undefined : 'expected a number');
const isUrl: Check = (value) =>
  typeof value === 'string' && /^https?:\/\/.*[^/]$/.test(value) && URL.canParse(value)
    ? undefined
    : 'expected an http URL without a slash at its end';
const isState: Check = (value) =>
  STATES.some((state) => state === value) ? undefined : `expected one of ${STATES.join(', ')}`;

const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined ? undefined : check(value);

const object =
  (members: Readonly<Record<string, Check>>): Check =>
  (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'expected an object';
    const found = new Map(Object.entries(value));
    const problems = Object.entries(members).flatMap(([member, check]) => {
      const problem = check(found.get(member));
      return problem === undefined ? [] : [`${member}: ${problem}`];
    });
    return problems.length === 0 ? undefined : problems.join('; ');
  };

const list =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) ? value.map(check).find((problem) => problem !== undefined) : 'expected a list';

const isHealth = object({ state: isState, url: optional(isUrl) });

/** What the methods resolve with. Those that are not listed resolve with nothing. */
const CHECKS: Partial<Record<Method, Check>> = {
  version: isText,
  routerAddress: object({ url: isUrl, listenHost: isText }),
  start: object({ handle: object({}), url: isUrl }),
  inspect: isHealth,
  list: list(object({ runnerId: isText, handle: object({}), health: isHealth, url: optional(isUrl) })),
  logs: list((line) => (typeof line === 'string' ? undefined : 'expected strings')),
  stats: object({ cpuPercent: optional(isNumber), memoryBytes: optional(isNumber) }),
};

/**
 * Returns the driver with methods that reject a wrong answer. Otherwise the router would take a list that is missing for
 * a platform without runners, and listen at every address of the machine for a `listenHost` that is missing.
 */
export function checkedDriver(driver: Driver): Driver {
  const calls = METHODS.filter((method) => driver[method] !== undefined).map((method) => [
    method,
    async (...args: unknown[]) => {
      const answer: unknown = await Reflect.apply(driver[method] as () => unknown, driver, args);
      const problem = CHECKS[method]?.(answer);
      if (problem === undefined) return answer;
      const message = `${method} gave a wrong answer: ${problem}`;
      throw new DriverError(driver.name, 'wrong_answer', message, { cause: undefined });
    },
  ]);
  return {
    name: driver.name,
    ...(driver.platformUrls && { platformUrls: driver.platformUrls }),
    ...Object.fromEntries(calls),
    ...(driver.watch && { watch: (signal: AbortSignal) => driver.watch?.(signal) }),
    [Symbol.asyncDispose]: async () => driver[Symbol.asyncDispose]?.(),
  };
}
