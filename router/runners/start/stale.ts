/**
 * Marks stale runners: those whose spec differs from the one they would get now. The fingerprint of each runner's spec
 * is in the database, so that a restart of the router forgets nothing. Staleness is computed at each change, so that
 * only runners whose spec really differs are ended.
 */
import type { UsersStore } from '../../accounts/users/store';
import type { OwnService } from '../../agents/own';
import type { BackendRegistry } from '../../backends/backends';
import type { CredentialsService } from '../../credentials/credentials';
import type { Events } from '../../lib/events';
import { runnersLog } from '../../lib/log';
import type { RunnerSlot } from '../slots/slot';
import { desiredSpec, fingerprint, type SpecDeps } from './desired-spec';

interface StaleDeps extends SpecDeps {
  readonly users: Pick<UsersStore, 'find'>;
  readonly credentials: CredentialsService;
  readonly own: OwnService;
  readonly backends: BackendRegistry;
  readonly events: Events;
}

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
    const values = await credentials.resolve(agent, backend);
    const own = await deps.own.of(agent, backend);
    const { id: runnerId, driver, accessKey } = runner;
    const of = { agent, user, backend, driver, values, own, runnerId, accessKey, runnerKey: '', callbackToken: '' };
    const staleId = fingerprint(await desiredSpec(deps, of), of) === runner.specHash ? undefined : runner.id;
    if (slot.runner !== runner || slot.staleId === staleId) return;
    slot.staleId = staleId;
    runnersLog.info({ agent: agent.id, runner: runner.id, isStale: staleId !== undefined }, 'runner.spec_changed');
    events.publish(agent.userId, { kind: 'runner', agentId: agent.id });
  }

  return {
    /**
     * Marks which of the slots have a stale runner, and unmarks the others. Calls run one after the other, so the last
     * call has read the newest values. Never rejects.
     */
    mark(slots: readonly RunnerSlot[]): Promise<void> {
      const marked = checks.then(async () => {
        for (const slot of slots) {
          await check(slot).catch((error: unknown) => {
            // When the platform does not say how it reaches the router, the next change checks again.
            runnersLog.warn({ agent: slot.agent.id, err: error }, 'runner.check_failed');
          });
        }
      });
      checks = marked;
      return marked;
    },
  };
}
