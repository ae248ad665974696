/** Changes of health from the engine's events. Nothing is missed: after each connection the runners are looked at. */
import type { Health, HealthChange } from '../driver';
import { ask, destroy, linesOf, toFailure } from './engine';
import { findContainer, findOwned, type Ground, healthOf, RUNNER_LABEL } from './runners';

const backOffMs = { min: 100, max: 1_000 };
/** A connection that has died without a word is replaced after this long. */
const connectionMs = 60_000;

/** A runner has ended, or is no longer there: in the words of Docker and in those of Podman. */
const ENDINGS = ['die', 'died', 'destroy', 'remove'];
const GONE = new Set(['destroy', 'remove']);

/** What of an event is read. */
interface EngineEvent {
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
}

/** Runs until the signal aborts, and reconnects by itself. */
export async function* watchRunners(ground: Ground, signal: AbortSignal): AsyncGenerator<HealthChange> {
  const { log } = ground.services;
  const exited = new Set<string>();
  let waitMs = backOffMs.min;
  while (!signal.aborted) {
    const connection = AbortSignal.any([signal, AbortSignal.timeout(connectionMs)]);
    try {
      for await (const change of follow(ground, exited, connection)) {
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

/** One connection. `exited` are the containers whose end has been told and that are not gone. */
async function* follow(
  ground: Ground,
  exited: Set<string>,
  signal: AbortSignal,
): AsyncGenerator<HealthChange | 'connected'> {
  const { docker, services } = ground;
  const label = [`${services.installationLabel}=${services.installationId}`];
  const filters = JSON.stringify({ type: ['container'], event: ENDINGS, label });
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
    yield* reconcile(ground, exited, signal);
    for await (const line of linesOf(stream)) yield* changesOf(ground, exited, JSON.parse(line), signal);
  } finally {
    destroy(stream);
  }
}

async function* reconcile(ground: Ground, exited: Set<string>, signal: AbortSignal): AsyncGenerator<HealthChange> {
  const before = [...ground.known];
  const owned = await findOwned(ground, signal);
  const there = new Set(owned.map(({ handle }) => handle.containerId));
  for (const [id, runnerId] of before) {
    if (!there.has(id)) yield* tell(ground, exited, { id, runnerId, health: { state: 'gone' } });
  }
  for (const { runnerId, handle, health } of owned) {
    // One without an exit code was never started: it is being made, or was left by a crash.
    const isNews = health.state === 'exited' && health.exitCode !== undefined;
    if (isNews) yield* tell(ground, exited, { id: handle.containerId, runnerId, health });
  }
}

async function* changesOf(
  ground: Ground,
  exited: Set<string>,
  { Action: action, Actor: actor }: EngineEvent,
  signal: AbortSignal,
): AsyncGenerator<HealthChange> {
  const { ID: id, Attributes: attributes } = actor;
  const runnerId = attributes[RUNNER_LABEL] ?? '';
  if (GONE.has(action)) return yield* tell(ground, exited, { id, runnerId, health: { state: 'gone' } });
  // The event has the exit code, and only the container knows whether memory was the reason.
  const found = await findContainer(ground, { runnerId, containerId: id }, signal);
  const health = found && healthOf(found.info);
  if (health?.state === 'exited') yield* tell(ground, exited, { id, runnerId, health });
}

function* tell(
  { known, stopping, replaced }: Ground,
  exited: Set<string>,
  { id, runnerId, health }: { readonly id: string; readonly runnerId: string; readonly health: Health },
): Generator<HealthChange> {
  if (health.state === 'gone') {
    known.delete(id);
    exited.delete(id);
    if (!replaced.delete(id)) yield { runnerId, health };
    return;
  }
  if (exited.has(id) || stopping.has(id) || replaced.has(id)) return;
  exited.add(id);
  yield { runnerId, health };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
}
