/**
 * Stale runners: those that were started with other values than their owner has by now. What a runner was given is kept
 * as a hash, so that a restart of the router forgets nothing; who is stale is worked out anew at each change, so that
 * only a value that really differs for that user and backend counts.
 */
import { createHmac } from 'node:crypto';
import type { BackendRegistry } from '../backends/backends';
import { holdsValues } from '../backends/traits';
import type { CredentialsService } from '../credentials/credentials';
import type { Events } from '../lib/events';
import { runnersLog } from '../lib/log';
import type { RunnerSlot } from './slot';
import { runnerValues } from './spec';

/**
 * HMAC-SHA-256 of the values as hex, whatever their order; null when there are none.
 * @param accessKey the runner's own, 256 random bits that are in no file in clear: without it a short value could be
 * guessed from the database.
 */
export function hashValues(values: Readonly<Record<string, string>>, accessKey: string): string | null {
  const entries = Object.entries(values).sort(([one], [other]) => (one < other ? -1 : 1));
  if (entries.length === 0) return null;
  return createHmac('sha256', accessKey).update(JSON.stringify(entries)).digest('hex');
}

export interface StaleDeps {
  readonly credentials: CredentialsService;
  readonly backends: BackendRegistry;
  readonly events: Events;
}

export type Staleness = ReturnType<typeof staleness>;

export function staleness({ credentials, backends, events }: StaleDeps) {
  let checks: Promise<unknown> = Promise.resolve();

  async function check(slot: RunnerSlot): Promise<void> {
    const { runner, agent } = slot;
    const backend = backends.find(agent.backend);
    // A backend that is no longer configured has no values; the reaper ends its runners.
    if (!runner || !backend) return;
    const values = holdsValues(backend) ? runnerValues(backend, await credentials.resolve(agent.userId, backend)) : {};
    const staleId = hashValues(values, runner.accessKey) === runner.valuesHash ? undefined : runner.id;
    if (slot.runner !== runner || slot.staleId === staleId) return;
    slot.staleId = staleId;
    runnersLog.info({ agent: agent.id, runner: runner.id, isStale: staleId !== undefined }, 'runner.values_changed');
    events.publish(agent.userId, { kind: 'runner', agentId: agent.id });
  }

  return {
    /**
     * Sees which of the slots have a runner that is stale, and which no longer have. One call after the other: the last
     * one has seen what was last set. Never rejects.
     */
    mark(slots: readonly RunnerSlot[]): Promise<void> {
      const marked = checks.then(async () => {
        for (const slot of slots) {
          await check(slot).catch((error: unknown) => {
            runnersLog.error({ agent: slot.agent.id, err: error }, 'runner.check_failed');
          });
        }
      });
      checks = marked;
      return marked;
    },
  };
}
