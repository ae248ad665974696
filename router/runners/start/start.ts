/** One start of one runner: intent, home, image, process, readiness; each step has its own error message. */
import type { Driver, Health, RunnerSpec, Started, StartProgress } from '../../../drivers/driver';
import type { UsersStore } from '../../accounts/users/store';
import { prepareHome } from '../../agents/homes';
import type { OwnService } from '../../agents/own';
import type { Backend, BackendRegistry } from '../../backends/backends';
import { type CredentialsService, credentialsMissing } from '../../credentials/credentials';
import { ownerOf } from '../../database/sealing';
import { AppError } from '../../lib/errors';
import { newId, newSecret, sha256 } from '../../lib/ids';
import { onClock, TimedOut } from '../../lib/time';
import type { Vault } from '../../lib/vault';
import { asDriverFailure } from '../../platforms/driver-error';
import type { PlatformsService } from '../../platforms/health';
import type { ImagesService } from '../../platforms/images';
import { toldProgress } from '../../platforms/progress';
import { cleanUp, clearEarlier, lookAgain, type Settled, stopRunner } from '../cleanup';
import { startError } from '../health/failure';
import type { LiveRunner, Progress, RunnerSlot } from '../slots/slot';
import type { RunnersStore } from '../store';
import { desiredSpec, fingerprint, type SpecDeps, type SpecOf } from './desired-spec';
import { waitReady } from './readiness';

export const CREATING: Progress = { stage: 'creating', percent: 5, message: 'Preparing' };

export interface StartDeps extends SpecDeps {
  readonly seedsRoot: string;
  readonly readyTimeoutMs: number;
  readonly runners: RunnersStore;
  readonly users: UsersStore;
  readonly backends: BackendRegistry;
  readonly platforms: PlatformsService;
  readonly images: ImagesService;
  readonly credentials: CredentialsService;
  readonly own: OwnService;
  readonly vault: Vault;
  readonly settled: Settled;
  /** Milliseconds since the epoch, for dates. */
  readonly now: () => number;
}

/** Takes the percent of each step, from 5 on. The queue has those below, and ../transitions.ts keeps it from falling. */
export type Report = (progress: Progress) => void;

/**
 * Starts a runner for the slot's agent and waits until it is ready. When a step fails, nothing is left on the platform
 * or in the database. Throws an `AppError` with the reason and the runner's last output.
 */
export async function startRunner(
  deps: StartDeps,
  slot: RunnerSlot,
  signal: AbortSignal,
  report: Report,
): Promise<LiveRunner> {
  const { agent } = slot;
  const { backend, user, driver, values } = await requireStartable(deps, slot, signal);
  const earlier = await deps.runners.findByAgent(agent.id);
  if (earlier) {
    await clearEarlier(deps, earlier).catch((error: unknown) => {
      throw startError(backend, error);
    });
  }
  const runnerId = newId();
  const keys = { accessKey: newSecret('ak-'), runnerKey: newSecret('rk-'), callbackToken: newSecret('ck-') };
  const exited = Promise.withResolvers<Health>();
  // From here on the platform may report about the runner.
  slot.identity = { id: runnerId, keyHash: sha256(keys.runnerKey), callbackHash: sha256(keys.callbackToken) };
  slot.onExit = exited.resolve;
  const startedAtMs = deps.now();
  // Law 2: the intent is written before the driver is called.
  await deps.runners.insert({
    id: runnerId,
    agentId: agent.id,
    backend: backend.name,
    driver: backend.driver,
    state: 'starting',
    accessKeySealed: deps.vault.seal(keys.accessKey, ownerOf({ kind: 'access_key', runnerId })),
    runnerKeyHash: slot.identity.keyHash,
    callbackTokenHash: slot.identity.callbackHash,
    startedAtMs,
    lastActiveAtMs: startedAtMs,
  });
  try {
    const own = await deps.own.of(agent, backend);
    const up = { slot, backend, user, driver, values, own, runnerId, ...keys, exited: exited.promise, signal, report };
    const { handle, url, specHash } = await bringUp(deps, up);
    const { accessKey } = keys;
    return { id: runnerId, agentId: agent.id, driver, handle, url, accessKey, specHash, startedAtMs };
  } catch (error) {
    throw startError(backend, error, await cleanUp(deps, { driver, backend, runnerId, error }));
  }
}

interface BringUp extends Omit<SpecOf, 'agent'> {
  readonly slot: RunnerSlot;
  readonly exited: Promise<Health>;
  readonly signal: AbortSignal;
  readonly report: Report;
}

/** Checks everything that a start needs before it begins. Throws an error for the user. */
export async function requireStartable(deps: StartDeps, { agent }: RunnerSlot, signal: AbortSignal) {
  const backend = deps.backends.of(agent);
  if (backend.disabled) throw new AppError('backend_disabled', { message: `${backend.displayName} is switched off.` });
  const user = await deps.users.find(agent.userId);
  if (!user) throw new AppError('not_found');
  // The request may be older than that.
  if (user.disabledAtMs !== null)
    throw new AppError('forbidden', { message: 'The account of this agent is disabled.' });
  const values = await deps.credentials.resolve(agent, backend);
  const missing = values.filter(({ source }) => source === 'unset');
  if (missing.length > 0) throw credentialsMissing(backend, missing);
  const driver = driverOf(deps, backend);
  await deps.platforms.require(backend.driver, signal).catch((error: unknown) => {
    throw startError(backend, signal.aborted ? error : asDriverFailure(driver, error, 'unavailable'));
  });
  return { backend, user, driver, values };
}

async function bringUp(deps: StartDeps, up: BringUp): Promise<Started & { specHash: string }> {
  const { backend, driver, runnerId, signal, report } = up;
  const spec = await prepare(deps, up);
  const specHash = fingerprint(spec, up);
  report({ stage: 'starting', percent: 50, message: 'Starting' });
  const late = `${backend.displayName} took too long to start: the platform was not done`;
  const started = await step(backend.timeouts.startMs, signal, late, async (clock) => {
    const progress = (said: StartProgress) => {
      const { percent = 0, message } = toldProgress(said);
      report({ stage: 'starting', percent: 50 + Math.round(percent / 10), message });
    };
    // An aborted start may leave a runner after the clean-up has looked for it.
    const left = () => clock.aborted && lookAgain(deps, driver);
    const failed = (thrown: unknown) => {
      throw clock.aborted ? thrown : asDriverFailure(driver, thrown);
    };
    const runner = await driver.start(spec, { signal: clock, progress }).catch(failed).finally(left);
    if (!clock.aborted) return runner;
    // The start was aborted, and the next start may already use the home.
    await stopRunner(driver, runner.handle, 0);
    throw clock.reason;
  });
  await deps.runners.update(runnerId, { handle: started.handle, url: started.url, specHash });

  const waiting = { stage: 'health_wait', message: 'Waiting for the agent to answer' } as const;
  report({ ...waiting, percent: 60 });
  await waitReady({
    url: started.url,
    backend,
    accessKey: up.accessKey,
    timeoutMs: backend.timeouts.readyMs ?? deps.readyTimeoutMs,
    signal,
    exited: up.exited,
    inspect: async (clock) => {
      const health = await driver.inspect(started.handle, clock);
      // A person paused the container before it was ready; a request waits for it.
      if (health.state === 'paused') await driver.resume?.(started.handle, clock);
      return health;
    },
    onWait: (fraction) => report({ ...waiting, percent: 60 + Math.round(Math.min(fraction, 1) * 35) }),
  });
  await deps.runners.update(runnerId, { state: 'running' });
  return { ...started, specHash };
}

/** Prepares the home: its templates and the runner's environment use the same variables. */
async function prepare(deps: StartDeps, up: BringUp): Promise<RunnerSpec> {
  const { slot, backend, own } = up;
  const { instructionsFile: file } = backend;
  const spec = await desiredSpec(deps, { ...up, agent: slot.agent }, up.signal);
  await prepareHome({
    homesRoot: deps.homesRoot,
    agentId: slot.agent.id,
    ...(backend.seedSubdir !== undefined && { seedDir: `${deps.seedsRoot}/${backend.seedSubdir}` }),
    templatedFiles: backend.templatedFiles,
    variables: spec.env,
    ...(file !== undefined && own.instructions !== undefined && { instructions: { file, text: own.instructions } }),
    owner: backend.homeOwner,
  });
  return spec;
}

/**
 * Fetches the image before the start takes its turn: a registry that does not answer delays only the starts that need
 * its image. A pull has its own clock, and each image is pulled at most once at a time.
 */
export async function fetchImage(
  { images }: StartDeps,
  { backend, driver, signal, report }: Pick<BringUp, 'backend' | 'driver' | 'signal' | 'report'>,
): Promise<void> {
  const { image, displayName, timeouts } = backend;
  if (!driver.prepare || image === undefined) return;
  report(CREATING);
  report({ stage: 'image_pull', percent: 10, message: 'Fetching the image' });
  const progress = ({ percent = 0, message }: StartProgress) =>
    report({ stage: 'image_pull', percent: 10 + Math.round(percent * 0.35), message });
  await step(timeouts.pullMs, signal, `${displayName} could not start: its image was not fetched`, async (clock) =>
    images.prepare(driver, image, { signal: clock, progress }),
  ).catch((error: unknown) => {
    throw startError(backend, error);
  });
}

/** The driver of a backend. Throws `driver_unavailable` when it could not be loaded. */
function driverOf(deps: StartDeps, backend: Backend): Driver {
  const problems = deps.drivers.checkBackend(backend);
  const driver = deps.drivers.find(backend.driver);
  if (driver && problems.length === 0) return driver;
  throw new AppError('driver_unavailable', {
    message: `${backend.displayName} cannot run here.`,
    hint: problems.join(' ') || `The driver "${backend.driver}" is not loaded.`,
  });
}

/** One step under its own clock (law 3). `late` begins the sentence of its timeout. */
async function step<T>(
  timeoutMs: number,
  signal: AbortSignal,
  late: string,
  work: (clock: AbortSignal) => Promise<T>,
): Promise<T> {
  return onClock(timeoutMs, signal, work).catch((error: unknown) => {
    if (!(error instanceof TimedOut)) throw error;
    throw new AppError('start_timeout', { message: `${late} within ${timeoutMs / 1000} s.`, cause: error });
  });
}
