/** Whether a message to an agent has somewhere to go. */
import type { Agent } from '../agents/store';
import type { BackendRegistry } from '../backends/backends';
import type { PlatformsService } from '../platforms/health';
import type { RunnersService } from '../runners/runners';

export interface UsableDeps {
  readonly backends: BackendRegistry;
  readonly platforms: PlatformsService;
  readonly runners: RunnersService;
}

/** A runner that is up needs its platform for nothing. */
export function isUsable(deps: UsableDeps, agent: Agent): boolean {
  const backend = deps.backends.find(agent.backend);
  if (!backend || backend.disabled) return false;
  return !isDown(deps, agent) || deps.platforms.problemOf(backend.driver) === undefined;
}

/** Neither up nor on the way. */
export function isDown({ runners }: Pick<UsableDeps, 'runners'>, { id }: Agent): boolean {
  const { state } = runners.status(id);
  return state === 'stopped' || state === 'failed';
}
