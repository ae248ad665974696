/**
 * Stale runners were started with another spec than they would get now. The fingerprint of what a runner was given is kept in
 * the database, so that a restart of the router forgets nothing; which runners are stale is computed at each change, so that
 * only what really differs for that user and backend counts.
 */
import type { UsersStore } from '../accounts/store';
import type { BackendRegistry } from '../backends/backends';
import type { CredentialsService } from '../credentials/credentials';
import type { Events } from '../lib/events';
import { runnersLog } from '../lib/log';
import { desiredSpec, fingerprint, type SpecDeps } from './desired-spec';
import type { RunnerSlot } from './slot';

export interface StaleDeps extends SpecDeps {
  readonly users: Pick<UsersStore, 'find'>;
  readonly credentials: CredentialsService;
  readonly backends: BackendRegistry;
  readonly events: Events;
}

export type Staleness = ReturnType<typeof staleness>;

export function staleness(deps: StaleDeps) {
  const { credentials, backends, events, users } = deps;
  let checks: Promise<unknown> = Promise.resolve();

  async function check(slot: RunnerSlot): Promise<void> {
    const { runner, agent } = slot;
    const backend = backends.find(agent.backend);
    // The reaper ends runners of a backend that is no longer configured.
    if (!runner || !backend) return;
    const user = await users.find(agent.userId);
    if (!user) return;
    const values = await credentials.resolve(user.id, backend);
    const { id: runnerId, driver, accessKey } = runner;
    const spec = await desiredSpec(deps, { agent, user, backend, driver, values, runnerId, accessKey, runnerKey: '' });
    const staleId = fingerprint(spec, backend, accessKey) === runner.specHash ? undefined : runner.id;
    if (slot.runner !== runner || slot.staleId === staleId) return;
    slot.staleId = staleId;
    runnersLog.info({ agent: agent.id, runner: runner.id, isStale: staleId !== undefined }, 'runner.spec_changed');
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
            // A platform that does not say where it reaches the router is asked at the next change.
            runnersLog.warn({ agent: slot.agent.id, err: error }, 'runner.check_failed');
          });
        }
      });
      checks = marked;
      return marked;
    },
  };
}
