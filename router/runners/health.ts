/** Applies what platforms report about runners, on request or by themselves. */
import type { Health } from '../../drivers/driver';
import { runnersLog } from '../lib/log';
import { askHealth } from './readiness';
import type { LiveRunner, RunnerSlot } from './slot';
import type { Reach, RunnerTransitions } from './transitions';

/** Where a runner was found: at the same address, at another one, or nowhere. */
export type Whereabouts = 'same' | 'moved' | 'gone';

export function runnerHealth(deps: {
  readonly transitions: RunnerTransitions;
  findByAgent(agentId: string): RunnerSlot | undefined;
  findByRunner(runnerId: string): RunnerSlot | undefined;
}) {
  const { transitions, findByAgent, findByRunner } = deps;

  /** Updates the slot to the reported health and acts on it. */
  async function follow(slot: RunnerSlot, runnerId: string, health: Health): Promise<Whereabouts> {
    if (health.state === 'exited' || health.state === 'gone') {
      // In the slot's queue, so that the end of a runner whose start is just finishing is not missed.
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

  /** Asks the platform about a runner, because it did not answer or because its driver does not report changes. */
  async function look(runner: LiveRunner): Promise<Whereabouts> {
    const slot = findByAgent(runner.agentId);
    const health = await askHealth((signal) => runner.driver.inspect(runner.handle, signal));
    if (!slot) return health.state === 'exited' || health.state === 'gone' ? 'gone' : 'same';
    const found = await follow(slot, runner.id, health);
    // Another request may have found the new address first.
    return found === 'same' && slot.runner?.id === runner.id && slot.runner.url !== runner.url ? 'moved' : found;
  }

  return {
    look,

    /** Like `look`. @returns whether the runner no longer exists. */
    isLost: async (runner: LiveRunner): Promise<boolean> => (await look(runner)) === 'gone',

    /**
     * Finds out whether the address to which a request was sent still belongs to the runner, because the connection or
     * the key was refused there. After a restart of a runner, its old address may belong to another runner (decision
     * 0027). Ends a runner that cannot be reached, unless another request is still at work with it.
     */
    async reachOf(runner: LiveRunner): Promise<Reach> {
      const slot = findByAgent(runner.agentId);
      if (!slot || (await look(runner)) !== 'same') return 'elsewhere';
      return slot.serial(() => transitions.requireReachable(slot, runner));
    },

    /** Called when the platform reports a change of health. */
    async healthChanged(runnerId: string, health: Health): Promise<void> {
      const slot = findByRunner(runnerId);
      if (!slot) return;
      if (health.state === 'exited' || health.state === 'gone') slot.onExit?.(health);
      const found = await follow(slot, runnerId, health);
      if (found === 'moved') runnersLog.info({ agent: slot.agent.id, runner: runnerId }, 'runner.moved');
    },
  };
}
