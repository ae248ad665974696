/** One start of one runner: intent, home, image, process, readiness, each failing in its own words. */
import { type Driver, DriverError, type Health, type StartProgress } from '../../drivers/driver';
import type { Backend, BackendRegistry } from '../backends';
import type { DriverRegistry } from '../drivers';
import { AppError } from '../errors';
import { newId, newSecret, sha256 } from '../ids';
import { runnersLog } from '../log';
import type { RunnersStore } from '../stores/runners';
import type { User, UsersStore } from '../stores/users';
import type { Vault } from '../vault';
import { type CredentialsService, credentialsMissing } from './credentials';
import { prepareHome } from './homes';
import { describeExit, RunnerExited, waitReady } from './readiness';
import type { LiveRunner, Progress, RunnerSlot } from './runner-slot';
import { runnerEnv, runnerSpec } from './runner-spec';

const LOG_TAIL_LINES = 20;

export interface StartDeps {
  readonly installationId: string;
  readonly homesRoot: string;
  readonly seedsRoot: string;
  readonly internalPort: number;
  readonly readyTimeoutMs: number;
  readonly runners: RunnersStore;
  readonly users: UsersStore;
  readonly backends: BackendRegistry;
  readonly drivers: DriverRegistry;
  readonly credentials: CredentialsService;
  readonly vault: Vault;
  readonly now: () => number;
}

export type Report = (progress: Progress) => void;

/**
 * Starts a runner for the slot's agent and waits until it is ready. Whatever goes wrong, nothing is left behind: not on
 * the platform, not in the database.
 */
export async function startRunner(
  deps: StartDeps,
  slot: RunnerSlot,
  signal: AbortSignal,
  report: Report,
): Promise<LiveRunner> {
  const { agent } = slot;
  const backend = deps.backends.find(agent.backend);
  if (!backend) throw new AppError('not_found', { message: `The backend "${agent.backend}" is no longer configured.` });
  if (backend.disabled) throw new AppError('backend_disabled', { message: `${backend.displayName} is switched off.` });
  const user = await deps.users.find(agent.userId);
  if (!user) throw new AppError('not_found');
  const missing = await deps.credentials.missing(user.id, backend);
  if (missing.length > 0) throw credentialsMissing(backend, missing);
  const driver = driverOf(deps, backend);

  report({ stage: 'creating', percent: 5, message: 'Preparing' });
  const runnerId = newId();
  const keys = { accessKey: newSecret('ak-'), runnerKey: newSecret('rk-') };
  slot.identity = { id: runnerId, keyHash: sha256(keys.runnerKey) };
  const startedAtMs = deps.now();
  // Law 2: the intent is written before the driver is called.
  await deps.runners.insert({
    id: runnerId,
    agentId: agent.id,
    backend: backend.name,
    driver: backend.driver,
    state: 'starting',
    accessKeySealed: deps.vault.seal(keys.accessKey, runnerId),
    runnerKeyHash: slot.identity.keyHash,
    startedAtMs,
    lastActiveAtMs: startedAtMs,
  });
  try {
    return await bringUp(deps, { slot, backend, user, driver, runnerId, ...keys, startedAtMs, signal, report });
  } catch (error) {
    throw await cleanUp(deps, { driver, backend, runnerId, secrets: Object.values(keys), error });
  }
}

interface BringUp {
  readonly slot: RunnerSlot;
  readonly backend: Backend;
  readonly user: User;
  readonly driver: Driver;
  readonly runnerId: string;
  readonly accessKey: string;
  readonly runnerKey: string;
  readonly startedAtMs: number;
  readonly signal: AbortSignal;
  readonly report: Report;
}

async function bringUp(deps: StartDeps, up: BringUp): Promise<LiveRunner> {
  const { slot, backend, driver, runnerId, accessKey, runnerKey, signal, report } = up;
  const router = await driver.routerAddress(deps.internalPort, signal);
  const model = (await deps.credentials.resolve(up.user.id, backend)).find(
    (value) => value.name === 'LLM_MODEL',
  )?.value;
  const env = runnerEnv({
    agent: slot.agent,
    user: up.user,
    backend,
    routerUrl: router.url,
    accessKey,
    runnerKey,
    model,
  });
  const home = await prepareHome({
    homesRoot: deps.homesRoot,
    agentId: slot.agent.id,
    ...(backend.seedSubdir !== undefined && { seedDir: `${deps.seedsRoot}/${backend.seedSubdir}` }),
    templatedFiles: backend.templatedFiles,
    variables: env,
    ...(backend.chownUid !== undefined && { uid: backend.chownUid, gid: backend.chownGid ?? backend.chownUid }),
  });
  const { installationId } = deps;
  const spec = runnerSpec({
    runnerId,
    installationId,
    agent: slot.agent,
    user: up.user,
    backend,
    homePath: home.path,
    env,
  });

  if (driver.prepare && backend.image !== undefined) {
    const { image } = backend;
    report({ stage: 'image_pull', percent: 10, message: 'Fetching the image' });
    const progress = ({ percent, message }: StartProgress) =>
      report({ stage: 'image_pull', percent: 10 + Math.round((percent ?? 0) * 0.35), message });
    await onClock(backend.timeouts.pullMs, signal, 'fetching the image', (clock) =>
      driver.prepare?.(image, { signal: clock, progress }),
    );
  }

  report({ stage: 'starting', percent: 50, message: 'Starting' });
  const started = await onClock(backend.timeouts.startMs, signal, 'starting', (clock) =>
    driver.start(spec, {
      signal: clock,
      progress: (step) => report({ stage: 'starting', percent: 50, message: step.message }),
    }),
  );
  await deps.runners.update(runnerId, { handle: started.handle, url: started.url });

  report({ stage: 'health_wait', percent: 60, message: 'Waiting for the agent to answer' });
  const exited = Promise.withResolvers<Health>();
  slot.onExit = exited.resolve;
  await waitReady({
    url: started.url,
    backend,
    accessKey,
    timeoutMs: backend.timeouts.readyMs ?? deps.readyTimeoutMs,
    signal,
    exited: exited.promise,
    ...(!driver.watch && { inspect: { driver, handle: started.handle } }),
    onWait: (fraction) =>
      report({
        stage: 'health_wait',
        percent: 60 + Math.round(fraction * 35),
        message: 'Waiting for the agent to answer',
      }),
  });
  await deps.runners.update(runnerId, { state: 'running' });
  return {
    id: runnerId,
    agentId: slot.agent.id,
    driver,
    handle: started.handle,
    url: started.url,
    accessKey,
    startedAtMs: up.startedAtMs,
  };
}

/** The driver of a backend. Throws `driver_unavailable` when it could not be loaded. */
export function driverOf(deps: Pick<StartDeps, 'drivers'>, backend: Backend): Driver {
  const problems = deps.drivers.checkBackend(backend);
  const driver = deps.drivers.find(backend.driver);
  if (driver && problems.length === 0) return driver;
  throw new AppError('driver_unavailable', {
    message: `${backend.displayName} cannot run here.`,
    hint: problems.join(' ') || `The driver "${backend.driver}" is not loaded.`,
  });
}

/** Runs one step under its own clock; a driver that ignores the abort is not waited for. */
async function onClock<T>(
  timeoutMs: number,
  signal: AbortSignal,
  doing: string,
  work: (clock: AbortSignal) => Promise<T> | undefined,
): Promise<T> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const clock = AbortSignal.any([signal, timeout]);
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(clock.reason);
  clock.addEventListener('abort', onAbort, { once: true });
  try {
    return (await Promise.race([work(clock), aborted.promise])) as T;
  } catch (error) {
    if (!timeout.aborted) throw error;
    const seconds = Math.round(timeoutMs / 1000);
    throw new AppError('start_timeout', { message: `The agent gave up ${doing} after ${seconds} s.`, cause: error });
  } finally {
    clock.removeEventListener('abort', onAbort);
  }
}

interface Remains {
  readonly driver: Driver;
  readonly backend: Backend;
  readonly runnerId: string;
  /** Never shown, also not when the runner printed them. */
  readonly secrets: readonly string[];
  readonly error: unknown;
}

/** Takes away what a failed start has left, after reading its last lines; returns the error to throw. */
async function cleanUp(deps: StartDeps, remains: Remains): Promise<unknown> {
  const { driver, backend, runnerId, secrets, error } = remains;
  let tail = '';
  try {
    const signal = AbortSignal.timeout(10_000);
    const owned = (await driver.list(signal)).find((runner) => runner.runnerId === runnerId);
    if (owned) {
      tail = await logTail(driver, owned.handle, secrets);
      await driver.stop(owned.handle, { graceMs: backend.timeouts.stopGraceMs });
    }
    await deps.runners.delete(runnerId);
  } catch (cause) {
    // The row stays: the next boot or sweep finds the runner by its label (law 2).
    runnersLog.warn({ runner: runnerId, err: cause }, 'runner.cleanup_failed');
  }
  return translate(backend, error, tail);
}

/** The last lines of a runner's output, without its secrets. Empty when the driver keeps none. */
export async function logTail(
  driver: Driver,
  handle: LiveRunner['handle'],
  secrets: readonly string[],
): Promise<string> {
  if (!driver.logs) return '';
  const lines = await driver.logs(handle, { tailLines: LOG_TAIL_LINES, signal: AbortSignal.timeout(5_000) });
  return secrets.reduce((text, secret) => text.replaceAll(secret, '[secret]'), lines.join('\n')).trim();
}

/** What the user is told of a failed start. The driver's fault decides, never its text. */
function translate(backend: Backend, error: unknown, tail: string): unknown {
  const lastLines = tail ? { hint: `Its last output:\n${tail}` } : {};
  if (error instanceof RunnerExited) {
    const message = `${backend.displayName} could not start: ${describeExit(error.health)}.`;
    return new AppError('runner_failed', { message, ...lastLines, cause: error });
  }
  if (error instanceof AppError && error.code === 'start_timeout') {
    return new AppError('start_timeout', { message: error.message, ...lastLines, cause: error });
  }
  if (error instanceof DriverError) {
    const code =
      error.fault === 'unavailable'
        ? 'driver_unavailable'
        : error.fault === 'timeout'
          ? 'start_timeout'
          : 'runner_failed';
    const message = `${backend.displayName} could not start: ${error.message}`;
    return new AppError(code, {
      message,
      ...(error.hint !== undefined ? { hint: error.hint } : lastLines),
      cause: error,
    });
  }
  return error;
}
