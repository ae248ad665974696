/**
 * Reports changes of health from the engine's events. After each connection it inspects all runners, so no change is
 * missed.
 */
import type { Health, HealthChange } from '../driver';
import { callEngine, destroy, objectsOf, toFailure } from './engine';
import { type DriverParts, findContainer, handleOf, healthOf, inspectOwned, RUNNER_LABEL } from './runners';

const backOffMs = { min: 100, max: 1_000 };
/** A connection that is dead without an error is replaced after this time. */
const connectionMs = 60_000;

/** The events for an exit, a removal and a pause, by their names in Docker and in Podman. */
const ACTIONS = ['die', 'died', 'destroy', 'remove', 'pause', 'unpause'];
const GONE = new Set(['destroy', 'remove']);

/** The fields of an event that the watch reads. */
interface EngineEvent {
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
}

/** Container id → the health that was last reported, for containers that are not gone. */
type Told = Map<string, string>;

/** Runs until the signal aborts. Reconnects by itself. */
export async function* watchRunners(parts: DriverParts, signal: AbortSignal): AsyncGenerator<HealthChange> {
  const { log } = parts.services;
  const told: Told = new Map();
  let waitMs = backOffMs.min;
  while (!signal.aborted) {
    const connection = AbortSignal.any([signal, AbortSignal.timeout(connectionMs)]);
    try {
      for await (const change of follow(parts, told, connection)) {
        waitMs = backOffMs.min;
        if (change !== 'connected') yield change;
      }
    } catch (error) {
      if (connection.aborted) continue;
      if (waitMs === backOffMs.min) log('warn', 'watch.lost', { reason: toFailure(error).message });
    }
    if (connection.aborted) continue;
    await pause(waitMs, signal);
    waitMs = Math.min(waitMs * 2, backOffMs.max);
  }
}

/** Watches over one connection. */
async function* follow(
  parts: DriverParts,
  told: Told,
  signal: AbortSignal,
): AsyncGenerator<HealthChange | 'connected'> {
  const { docker, services } = parts;
  const label = [`${services.installationLabel}=${services.installationId}`];
  const filters = JSON.stringify({ type: ['container'], event: ACTIONS, label });
  const stream = await callEngine(signal, async (abortSignal) => {
    // The types of dockerode lack this option.
    const query = { filters, abortSignal };
    return (await docker()).getEvents(query);
  });
  // Catches an error that arrives while nothing reads the stream; the reader below gets it too.
  stream.on('error', () => undefined);
  try {
    yield 'connected';
    // Listens before it inspects: a change in between is seen twice, and reported once.
    yield* reconcile(parts, told, signal);
    for await (const event of objectsOf<EngineEvent>(stream)) yield* changesOf(parts, told, event, signal);
  } finally {
    destroy(stream);
  }
}

async function* reconcile(parts: DriverParts, told: Told, signal: AbortSignal): AsyncGenerator<HealthChange> {
  const before = [...parts.known];
  const owned = await inspectOwned(parts, signal);
  const there = new Set(owned.map(({ Id }) => Id));
  for (const [id, { handle }] of before) {
    if (!there.has(id)) yield* tell(parts, told, { id, runnerId: handle.runnerId, health: { state: 'gone' } });
  }
  for (const info of owned) {
    // A container that was never started is being created, or is left over from a crash.
    if (info.State.Status === 'created') continue;
    const health = healthOf(info, parts.known.get(info.Id)?.handle);
    yield* tell(parts, told, { id: info.Id, runnerId: handleOf(info).runnerId, health });
  }
}

async function* changesOf(
  parts: DriverParts,
  told: Told,
  { Action: action, Actor: actor }: EngineEvent,
  signal: AbortSignal,
): AsyncGenerator<HealthChange> {
  const { ID: id, Attributes: attributes } = actor;
  const runnerId = attributes[RUNNER_LABEL] ?? '';
  if (GONE.has(action)) return yield* tell(parts, told, { id, runnerId, health: { state: 'gone' } });
  // The event has the exit code, but only `inspect` says whether the container ran out of memory.
  const found = await findContainer(parts, { runnerId, containerId: id }, signal);
  if (!found) return;
  yield* tell(parts, told, { id, runnerId, health: healthOf(found.info, parts.known.get(id)?.handle) });
}

function* tell(
  { known, stopping, replaced }: DriverParts,
  told: Told,
  { id, runnerId, health }: { readonly id: string; readonly runnerId: string; readonly health: Health },
): Generator<HealthChange> {
  if (health.state === 'gone') {
    known.delete(id);
    told.delete(id);
    if (!replaced.delete(id)) yield { runnerId, health };
    return;
  }
  const last = told.get(id) ?? `running ${known.get(id)?.url}`;
  const word = health.state === 'running' ? `running ${health.url}` : health.state;
  if (last === word || last === 'exited' || stopping.has(id) || replaced.has(id)) return;
  told.set(id, word);
  yield { runnerId, health };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
}
