/** Readiness: a runner is ready when its health path and, with its key, its ready path answer 2xx. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Health } from '../../../drivers/driver';
import type { Backend } from '../../backends/backends';
import { accessHeaders } from '../../backends/traits';
import { AppError } from '../../lib/errors';
import { runnersLog } from '../../lib/log';
import { onClock } from '../../lib/time';
import { probe } from '../../net/outgoing';
import { RunnerExited } from '../health/failure';

/**
 * Pauses between probes: short at first, so that a fast runner is seen at once, then longer, so that a slow one is not
 * disturbed.
 */
const GAP_MIN_MS = 10;
const GAP_MAX_MS = 500;
const INSPECT_EVERY_MS = 1_000;
const INSPECT_MS = 5_000;

interface ReadinessOptions {
  readonly url: string;
  readonly backend: Backend;
  readonly accessKey: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Resolves when the platform reports the end of the runner. */
  readonly exited: Promise<Health>;
  /** Called once a second: not every driver reports ends, and a report can be lost. */
  inspect(signal: AbortSignal): Promise<Health>;
  /** @param fraction the part of `timeoutMs` that has passed, from 0. */
  onWait(fraction: number): void;
}

/**
 * Asks once whether the runner that accepts `accessKey` still answers at `url`. A runner that is too busy to answer in
 * time, or that says that it is not ready, counts as reached; a refused connection or a refused key does not.
 */
export async function answersToKey(runner: Pick<ReadinessOptions, 'url' | 'backend' | 'accessKey'>): Promise<boolean> {
  const { url, backend, accessKey } = runner;
  const clock = AbortSignal.timeout(backend.timeouts.healthMs);
  const outcome = await probe(url + backend.readyPath, accessHeaders(backend, accessKey), clock);
  return typeof outcome === 'string' ? clock.aborted : !isKeyRefused(outcome);
}

/** Whether a status says that the key was refused, as when another runner now has the address. */
export function isKeyRefused(status: number): boolean {
  return status === 401 || status === 403;
}

/** Probes the runner once. Returns why it is not ready, or `undefined` when it is. */
export async function notReadyBecause(
  runner: Pick<ReadinessOptions, 'url' | 'backend' | 'accessKey' | 'signal'>,
): Promise<string | undefined> {
  const { url, backend, accessKey, signal } = runner;
  for (const path of new Set([backend.healthPath, backend.readyPath])) {
    const headers = path === backend.readyPath ? accessHeaders(backend, accessKey) : {};
    const outcome = await probe(
      url + path,
      headers,
      AbortSignal.any([signal, AbortSignal.timeout(backend.timeouts.healthMs)]),
    );
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
  const { backend, signal, exited, timeoutMs, onWait } = options;
  const startedMs = performance.now();
  const deadline = AbortSignal.timeout(timeoutMs);
  const probing = { ...options, signal: AbortSignal.any([signal, deadline]) };
  const ended = exited.then((health) => {
    throw new RunnerExited(health);
  });
  // `ended` may reject between two races, when nothing awaits it.
  ended.catch(() => undefined);
  let inspectedMs = startedMs;
  let reason: string | undefined;
  for (let gapMs = GAP_MIN_MS; ; gapMs = Math.min(gapMs * 1.5, GAP_MAX_MS)) {
    const seen = await Promise.race([notReadyBecause(probing), ended]);
    signal.throwIfAborted();
    if (seen === undefined) return;
    // A probe that the deadline aborted gives no reason; the reason of the probe before it is kept.
    if (!deadline.aborted) reason = seen;
    const elapsedMs = performance.now() - startedMs;
    if (deadline.aborted) {
      throw new AppError('start_timeout', {
        message: `${backend.displayName} was started but did not become ready within ${timeoutMs / 1000} s (${reason ?? seen}).`,
      });
    }
    if (performance.now() - inspectedMs >= INSPECT_EVERY_MS) {
      inspectedMs = performance.now();
      await requireRunning(options);
    }
    onWait(elapsedMs / timeoutMs);
    await Promise.race([delay(gapMs, undefined, { signal: probing.signal }).catch(() => undefined), ended]);
  }
}

async function requireRunning({ inspect, signal }: ReadinessOptions): Promise<void> {
  const health = await inspectHealth(inspect, signal);
  if (health.state === 'exited' || health.state === 'gone') throw new RunnerExited(health);
}

/** Asks the platform for a runner's health; `unknown` when it does not answer in time. */
export function inspectHealth(
  inspect: (signal: AbortSignal) => Promise<Health>,
  signal?: AbortSignal,
): Promise<Health> {
  return onClock(INSPECT_MS, signal, inspect).catch((error): Health => {
    if (!signal?.aborted) runnersLog.debug({ err: error }, 'inspect.failed');
    return { state: 'unknown', reason: String(error) };
  });
}
