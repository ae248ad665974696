/** Readiness: a runner is ready when its health path and, with its key, its ready path answer 2xx. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Driver, Handle, Health } from '../../drivers/driver';
import type { Backend } from '../backends';
import { AppError } from '../errors';
import { probe } from '../http/relay';

const PROBE_TIMEOUT_MS = 2_000;
/** Short at first so that a fast runner is not kept waiting, then slower so that a slow one is not disturbed. */
const GAP_MIN_MS = 10;
const GAP_MAX_MS = 500;
const INSPECT_EVERY_MS = 500;

export interface ReadinessOptions {
  readonly url: string;
  readonly backend: Backend;
  readonly accessKey: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Resolves when the platform reports the end of the runner. */
  readonly exited: Promise<Health>;
  /** Asked from time to time where the platform reports nothing by itself. */
  readonly inspect?: { readonly driver: Driver; readonly handle: Handle };
  /** @param fraction of the time allowed that has passed, 0 to 1. */
  onWait(fraction: number): void;
}

/** The headers that open a runner. */
export function accessHeaders(backend: Backend, accessKey: string): Record<string, string> {
  const value = backend.apiKeyScheme ? `${backend.apiKeyScheme} ${accessKey}` : accessKey;
  return { [backend.apiKeyHeader.toLowerCase()]: value };
}

/** Why a runner that is asked now is not ready, or `undefined` when it is. */
export async function notReadyBecause(
  runner: Pick<ReadinessOptions, 'url' | 'backend' | 'accessKey' | 'signal'>,
): Promise<string | undefined> {
  const { url, backend, accessKey, signal } = runner;
  for (const path of new Set([backend.healthPath, backend.readyPath])) {
    const headers = path === backend.readyPath ? accessHeaders(backend, accessKey) : {};
    const outcome = await probe(url + path, headers, AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]));
    if (typeof outcome === 'string') return `${path}: ${outcome}`;
    if (outcome < 200 || outcome > 299) return `${path} answered ${outcome}`;
  }
  return undefined;
}

/**
 * Waits until the runner is ready. Throws `RunnerExited` at once when it ends, `start_timeout` after `timeoutMs`, and
 * the signal's reason when it aborts (law 3).
 */
export async function waitReady(options: ReadinessOptions): Promise<void> {
  const { signal, exited, timeoutMs, inspect, onWait } = options;
  const startedMs = performance.now();
  let ended: Health | undefined;
  void exited.then((health) => {
    ended = health;
  });
  let inspectedMs = startedMs;
  for (let gapMs = GAP_MIN_MS; ; gapMs = Math.min(gapMs * 1.5, GAP_MAX_MS)) {
    const reason = await Promise.race([notReadyBecause(options), exited.then(() => 'it ended')]);
    signal.throwIfAborted();
    if (inspect && reason && performance.now() - inspectedMs > INSPECT_EVERY_MS) {
      inspectedMs = performance.now();
      const health = await inspect.driver.inspect(inspect.handle, signal);
      if (health.state === 'exited' || health.state === 'gone') ended = health;
    }
    if (ended) throw new RunnerExited(ended);
    if (!reason) return;
    const elapsedMs = performance.now() - startedMs;
    if (elapsedMs > timeoutMs) {
      throw new AppError('start_timeout', {
        message: `The agent was started but did not become ready within ${Math.round(timeoutMs / 1000)} s (${reason}).`,
      });
    }
    onWait(elapsedMs / timeoutMs);
    await Promise.race([delay(gapMs, undefined, { signal }), exited]);
  }
}

/** A runner ended where it should have gone on. */
export class RunnerExited extends Error {
  override readonly name = 'RunnerExited';
  constructor(readonly health: Health) {
    super(describeExit(health));
  }
}

/** How a runner ended, as the end of a sentence. */
export function describeExit(health: Health): string {
  if (health.state !== 'exited') return 'it disappeared';
  if (health.outOfMemory) return 'it ran out of memory';
  if (health.signal) return `it was ended by ${health.signal}`;
  return health.exitCode === undefined ? 'it ended' : `it ended with exit code ${health.exitCode}`;
}
