/** Turns what is known of an agent's runner into what its page shows. */
import type { RunnerDetailsView, RunnerFactsView } from '../../../views/runners/models';
import type { IdleService } from '../../agents/idle';
import type { Agent } from '../../agents/store';
import type { BackendRegistry } from '../../backends/backends';
import type { LoadsService } from '../loads';
import { logTail, OF_PAGE } from '../output';
import type { RunnersService } from '../runners';

export interface DetailsDeps {
  readonly backends: BackendRegistry;
  readonly idle: IdleService;
  readonly loads: LoadsService;
  readonly now: () => number;
  readonly runners: RunnersService;
}

export async function runnerDetails(deps: DetailsDeps, agent: Agent): Promise<RunnerDetailsView> {
  const { backends, loads, now } = deps;
  const { memoryBytes, cpus } = backends.find(agent.backend)?.limits ?? {};
  return {
    facts: await runnerFacts(deps, agent),
    loads: loads.of(agent.id),
    nowMs: now(),
    limits: { ...(memoryBytes !== undefined && { memoryBytes }), ...(cpus !== undefined && { cpus }) },
    log: await runnerLog(deps, agent),
  };
}

export async function runnerFacts(
  { idle, now, runners }: Pick<DetailsDeps, 'idle' | 'now' | 'runners'>,
  agent: Agent,
): Promise<RunnerFactsView> {
  const { startedAtMs, leases, requests, idleMs, isStale } = runners.status(agent.id);
  const limitMs = (await idle.secondsFor(agent)) * 1000;
  return {
    agentId: agent.id,
    ...(startedAtMs !== undefined && { upMs: Math.max(0, now() - startedAtMs) }),
    answers: requests,
    calls: leases - requests,
    idleMs: limitMs,
    ...(limitMs > 0 && leases === 0 && { stopsInMs: Math.max(0, limitMs - idleMs) }),
    isStale,
  };
}

/** The end of the output of the agent's runner, without keys; empty when it has none. */
export async function runnerLog({ runners }: Pick<DetailsDeps, 'runners'>, agent: Agent): Promise<string> {
  const found = runners.findRunning(agent.id);
  return found ? logTail(found.runner.driver, found.runner.handle, OF_PAGE) : '';
}
