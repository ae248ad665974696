/** What platforms say of runners, asked or of themselves, and what follows from it. */
import type { Health } from '../../drivers/driver';
import { askHealth } from './readiness';
import type { LiveRunner, RunnerSlot } from './slot';
import type { RunnerTransitions } from './transitions';

export function runnerHealth(deps: {
  readonly transitions: RunnerTransitions;
  findByAgent(agentId: string): RunnerSlot | undefined;
  findByRunner(runnerId: string): RunnerSlot | undefined;
}) {
  const { transitions, findByAgent, findByRunner } = deps;
  return {
    /**
     * Asks the platform about a runner, because it did not answer or because nobody reports of it, and shows what is
     * known then.
     * @returns whether it is there no more.
     */
    async isLost(runner: LiveRunner): Promise<boolean> {
      const slot = findByAgent(runner.agentId);
      const health = await askHealth((signal) => runner.driver.inspect(runner.handle, signal));
      if (health.state === 'exited' || health.state === 'gone') {
        await slot?.serial(() => transitions.exited(slot, runner.id, health));
        return true;
      }
      if (slot?.runner?.id === runner.id) {
        if (health.state === 'unknown' && slot.state === 'running') transitions.unknown(slot);
        if (health.state === 'running' && slot.state === 'unknown') transitions.running(slot);
      }
      return false;
    },

    /** The platform reports a change of health. */
    async healthChanged(runnerId: string, health: Health): Promise<void> {
      if (health.state !== 'exited' && health.state !== 'gone') return;
      const slot = findByRunner(runnerId);
      slot?.onExit?.(health);
      // In the queue, so that the end of a runner whose start is just through is not missed.
      await slot?.serial(() => transitions.exited(slot, runnerId, health));
    },
  };
}
