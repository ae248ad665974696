/** Checks what the methods of a driver answer, for the router and for the conformance suite. */
import { METHODS } from './check';
import { type Driver, DriverError, type HealthChange } from './driver';

/** What is expected of an answer, or of one of its members; `undefined` where it is right. */
type Check = (answer: unknown) => string | undefined;

type Method = (typeof METHODS)[number];

const STATES = ['running', 'paused', 'exited', 'gone', 'unknown'];

const isText: Check = (value) =>
  typeof value === 'string' && value !== '' ? undefined : 'expected a string, not empty';
const isAmount: Check = (value) =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? undefined : 'expected a number from 0 on';
const isUrl: Check = (value) =>
  typeof value === 'string' && /^https?:\/\/.*[^/]$/.test(value) && URL.canParse(value)
    ? undefined
    : 'expected an http URL without a slash at its end';
/** The router speaks HTTP without TLS to a runner, and appends its paths to this address. */
const isRunnerUrl: Check = (value) =>
  isUrl(value) ??
  (/^http:\/\/[^/\\?#@\s]+$/.test(String(value)) ? undefined : 'expected http://, host, port, and no more');
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

const isHandle: Check = (value) => object({})(value) ?? (isJson(value) ? undefined : 'expected JSON');

const isHealth = object({ state: isState, url: optional(isRunnerUrl) });
const isChange = object({ runnerId: isText, health: isHealth });

/** If a runner had two entries, the router would stop one of them. */
const areOwned: Check = (value) => {
  const problem = list(object({ runnerId: isText, handle: isHandle, health: isHealth, url: optional(isRunnerUrl) }))(
    value,
  );
  if (problem !== undefined) return problem;
  const ids = (value as readonly { readonly runnerId: string }[]).map(({ runnerId }) => runnerId);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  return twice === undefined
    ? undefined
    : `runnerId: expected each runner once, and ${twice.slice(0, 100)} is there twice`;
};

function isJson(value: unknown): boolean {
  try {
    JSON.stringify(value);
    return true;
  } catch {
    return false;
  }
}

/** What the methods resolve with. Those that are not listed resolve with nothing. */
const CHECKS: Partial<Record<Method, Check>> = {
  version: isText,
  routerAddress: object({ url: isUrl, listenHost: isText }),
  start: object({ handle: isHandle, url: isRunnerUrl }),
  inspect: isHealth,
  list: areOwned,
  logs: list((line) => (typeof line === 'string' ? undefined : 'expected strings')),
  stats: object({ cpuPercent: optional(isAmount), memoryBytes: optional(isAmount) }),
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
      requireRight(driver, method, CHECKS[method]?.(answer));
      return answer;
    },
  ]);
  return {
    name: driver.name,
    ...(driver.platformUrls && { platformUrls: driver.platformUrls }),
    ...Object.fromEntries(calls),
    ...(driver.watch && { watch: (signal: AbortSignal) => checkedChanges(driver, signal) }),
    [Symbol.asyncDispose]: async () => driver[Symbol.asyncDispose]?.(),
  };
}

async function* checkedChanges(driver: Driver, signal: AbortSignal): AsyncIterable<HealthChange> {
  for await (const change of driver.watch?.(signal) ?? []) {
    requireRight(driver, 'watch', isChange(change));
    yield change;
  }
}

function requireRight(driver: Driver, method: string, problem: string | undefined): void {
  if (problem === undefined) return;
  throw new DriverError(driver.name, 'wrong_answer', `${method} gave a wrong answer: ${problem}`, { cause: undefined });
}
