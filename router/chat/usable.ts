/** Decides whether an agent can answer a message. */
import type { Agent } from '../agents/store';
import type { BackendRegistry } from '../backends/backends';
import type { PlatformsService } from '../platforms/health';
import type { RunnersService } from '../runners/runners';

export interface UsableDeps {
  readonly backends: BackendRegistry;
  readonly platforms: PlatformsService;
  readonly runners: RunnersService;
}

/** A running runner does not need its driver's platform. */
export function isUsable(deps: UsableDeps, agent: Agent): boolean {
  const backend = deps.backends.find(agent.backend);
  if (!backend || backend.disabled) return false;
  return !isDown(deps, agent) || deps.platforms.problemOf(backend.driver) === undefined;
}

/** Neither running nor starting. */
export function isDown({ runners }: Pick<UsableDeps, 'runners'>, { id }: Agent): boolean {
  const { state } = runners.status(id);
  return state === 'stopped' || state === 'failed';
}
