/** The state of an agent's runner, and why one that is down cannot start. */
import type { MessageView, RunnerView } from '../../../views/models';
import type { Who } from '../../accounts/identify';
import type { Agent } from '../../agents/store';
import type { Progress } from '../../runners/runners';
import { type Reader, textOf } from '../../web/reader';
import { isDown } from '../usable';
import type { ChatViewDeps } from './present';

export function runnerView(deps: ChatViewDeps, who: Who, agent: Agent): RunnerView {
  const { state, progress, failure, isStale } = deps.runners.status(agent.id);
  return {
    agentId: agent.id,
    state,
    ...(isStale && { isStale }),
    ...availabilityView(deps, who, agent),
    ...(state === 'starting' && startView(who, progress)),
    // Not a failure of the runner, which the next start forgets.
    ...(state === 'stopped' && progress.stage === 'error' && { message: progress.message }),
    ...(failure && { message: failure.message, ...(failure.hint !== undefined && { hint: failure.hint }) }),
  };
}

/** Why an agent that is down cannot start. Only the administrator sees reasons and remedies. */
function availabilityView(deps: ChatViewDeps, who: Who, agent: Agent): Pick<RunnerView, 'unavailable' | 'image'> {
  const backend = deps.backends.find(agent.backend);
  if (!backend || backend.disabled || !isDown(deps, agent)) return {};
  const forAdmin = ({ message, hint }: { message: string; hint?: string }) =>
    who.user.role === 'admin' ? { message, ...(hint !== undefined && { hint }) } : {};
  const problem = deps.platforms.problemOf(backend.driver);
  if (problem) {
    const platform = deps.drivers.platformOf(backend.driver);
    return { unavailable: { ...(platform !== undefined && { platform }), ...forAdmin(problem) } };
  }
  const image = deps.images.stateOf(backend);
  if (image?.state === 'pulling') return { image: { state: 'pulling' } };
  if (image?.state === 'failed') return { image: { state: 'failed', ...forAdmin(image) } };
  return {};
}

/** The progress of a start. The duration of a queue is unknown, so it has no percent. */
export function startView(
  reader: Reader,
  { stage, percent, place }: Progress,
): { message: string; percent?: number; place?: number } {
  if (place !== undefined) return { message: textOf(reader).runner.queued(place), place };
  return { message: textOf(reader).runner.stages[stage], percent };
}

/** The progress of the runner, while it starts. */
export function progressOf(deps: ChatViewDeps, reader: Reader, agentId: string): Pick<MessageView, 'progress'> {
  const { state, progress } = deps.runners.status(agentId);
  if (state !== 'starting') return {};
  return { progress: startView(reader, progress) };
}
