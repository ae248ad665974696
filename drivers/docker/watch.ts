/** Changes of health from the engine's events. Nothing is missed: after each connection the runners are looked at. */
import type { Health, HealthChange } from '../driver';
import { ask, destroy, objectsOf, toFailure } from './engine';
import { findContainer, type Ground, handleOf, healthOf, inspectOwned, RUNNER_LABEL } from './runners';

const backOffMs = { min: 100, max: 1_000 };
/** A connection that has died without a word is replaced after this long. */
const connectionMs = 60_000;

/** A runner has ended, is no longer there, or is held still: in the words of Docker and in those of Podman. */
const ACTIONS = ['die', 'died', 'destroy', 'remove', 'pause', 'unpause'];
const GONE = new Set(['destroy', 'remove']);

/** What of an event is read. */
interface EngineEvent {
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
}

/** What was last told of each container that is not gone, by its id. */
type Told = Map<string, string>;

/** Runs until the signal aborts, and reconnects by itself. */
export async function* watchRunners(ground: Ground, signal: AbortSignal): AsyncGenerator<HealthChange> {
  const { log } = ground.services;
  const told: Told = new Map();
  let waitMs = backOffMs.min;
  while (!signal.aborted) {
    const connection = AbortSignal.any([signal, AbortSignal.timeout(connectionMs)]);
    try {
      for await (const change of follow(ground, told, connection)) {
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

/** One connection. */
async function* follow(ground: Ground, told: Told, signal: AbortSignal): AsyncGenerator<HealthChange | 'connected'> {
  const { docker, services } = ground;
  const label = [`${services.installationLabel}=${services.installationId}`];
  const filters = JSON.stringify({ type: ['container'], event: ACTIONS, label });
  const stream = await ask(signal, async (abortSignal) => {
    // The types do not know of the signal.
    const query = { filters, abortSignal };
    return (await docker()).getEvents(query);
  });
  // An error that comes while nobody reads is met by the reader below.
  stream.on('error', () => undefined);
  try {
    yield 'connected';
    // Listening first and looking then: what happens in between is seen twice, and told once.
    yield* reconcile(ground, told, signal);
    for await (const event of objectsOf<EngineEvent>(stream)) yield* changesOf(ground, told, event, signal);
  } finally {
    destroy(stream);
  }
}

async function* reconcile(ground: Ground, told: Told, signal: AbortSignal): AsyncGenerator<HealthChange> {
  const before = [...ground.known];
  const owned = await inspectOwned(ground, signal);
  const there = new Set(owned.map(({ Id }) => Id));
  for (const [id, { handle }] of before) {
    if (!there.has(id)) yield* tell(ground, told, { id, runnerId: handle.runnerId, health: { state: 'gone' } });
  }
  for (const info of owned) {
    // One that was never started is being made, or was left by a crash.
    if (info.State.Status === 'created') continue;
    const health = healthOf(info, ground.known.get(info.Id)?.handle);
    yield* tell(ground, told, { id: info.Id, runnerId: handleOf(info).runnerId, health });
  }
}

async function* changesOf(
  ground: Ground,
  told: Told,
  { Action: action, Actor: actor }: EngineEvent,
  signal: AbortSignal,
): AsyncGenerator<HealthChange> {
  const { ID: id, Attributes: attributes } = actor;
  const runnerId = attributes[RUNNER_LABEL] ?? '';
  if (GONE.has(action)) return yield* tell(ground, told, { id, runnerId, health: { state: 'gone' } });
  // The event has the exit code, and only the container knows whether memory was the reason.
  const found = await findContainer(ground, { runnerId, containerId: id }, signal);
  if (!found) return;
  yield* tell(ground, told, { id, runnerId, health: healthOf(found.info, ground.known.get(id)?.handle) });
}

function* tell(
  { known, stopping, replaced }: Ground,
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
