/** What platforms say of runners, asked or of themselves, and what follows from it. */
import type { Health } from '../../drivers/driver';
import { runnersLog } from '../lib/log';
import { askHealth } from './readiness';
import type { LiveRunner, RunnerSlot } from './slot';
import type { Reach, RunnerTransitions } from './transitions';

/** Where a runner was found: at its address as before, at another one, or not at all. */
export type Whereabouts = 'same' | 'moved' | 'gone';

export function runnerHealth(deps: {
  readonly transitions: RunnerTransitions;
  findByAgent(agentId: string): RunnerSlot | undefined;
  findByRunner(runnerId: string): RunnerSlot | undefined;
}) {
  const { transitions, findByAgent, findByRunner } = deps;

  /** Shows what is known now, and does what follows from it. */
  async function follow(slot: RunnerSlot, runnerId: string, health: Health): Promise<Whereabouts> {
    if (health.state === 'exited' || health.state === 'gone') {
      // In the queue, so that the end of a runner whose start is just through is not missed.
      await slot.serial(() => transitions.exited(slot, runnerId, health));
      return 'gone';
    }
    if (slot.runner?.id !== runnerId) return 'same';
    if (health.state === 'paused') await slot.serial(() => transitions.paused(slot, runnerId));
    if (health.state === 'unknown' && slot.state === 'running') transitions.unknown(slot);
    if (health.state !== 'running') return 'same';
    if (slot.state === 'unknown' || slot.state === 'paused') transitions.running(slot);
    const { url } = health;
    if (url === undefined || url === slot.runner.url) return 'same';
    return (await slot.serial(() => transitions.moved(slot, runnerId, url))) ? 'moved' : 'gone';
  }

  /** Asks the platform about a runner, because it did not answer or because nobody reports of it. */
  async function look(runner: LiveRunner): Promise<Whereabouts> {
    const slot = findByAgent(runner.agentId);
    const health = await askHealth((signal) => runner.driver.inspect(runner.handle, signal));
    if (!slot) return health.state === 'exited' || health.state === 'gone' ? 'gone' : 'same';
    const found = await follow(slot, runner.id, health);
    // Somebody else may have found its new address before.
    return found === 'same' && slot.runner?.id === runner.id && slot.runner.url !== runner.url ? 'moved' : found;
  }

  return {
    look,

    /** As `look`. @returns whether the runner is there no more. */
    isLost: async (runner: LiveRunner): Promise<boolean> => (await look(runner)) === 'gone',

    /**
     * Finds out whether the address that a request went to still leads to the runner, because the connection or its key
     * was refused there. An address belongs to one life of a runner: somebody else's may have it by now. A runner that
     * cannot be reached is ended, unless somebody is still at work with it.
     */
    async reachOf(runner: LiveRunner): Promise<Reach> {
      const slot = findByAgent(runner.agentId);
      if (!slot || (await look(runner)) !== 'same') return 'elsewhere';
      return slot.serial(() => transitions.requireReachable(slot, runner));
    },

    /** The platform reports a change of health. */
    async healthChanged(runnerId: string, health: Health): Promise<void> {
      const slot = findByRunner(runnerId);
      if (!slot) return;
      if (health.state === 'exited' || health.state === 'gone') slot.onExit?.(health);
      const found = await follow(slot, runnerId, health);
      if (found === 'moved') runnersLog.info({ agent: slot.agent.id, runner: runnerId }, 'runner.moved');
    },
  };
}
