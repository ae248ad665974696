/** Turns all runners into what the administrator's pages and API show. */
import type { AdminRunnerView } from '../../../views/admin/models';
import type { AccountsService } from '../../accounts/accounts';
import type { BackendRegistry } from '../../backends/backends';
import { startView } from '../../chat/pages/present-runner';
import { unixSeconds } from '../../lib/time';
import { runnerAddress } from '../../runners/api/present';
import { withoutOutput } from '../../runners/health/failure';
import type { LoadsService } from '../../runners/loads';
import type { RunnersService } from '../../runners/runners';
import type { Awake, Running } from '../../runners/slots/lookups';
import type { Reader } from '../../web/reader';

export interface FleetDeps {
  readonly accounts: Pick<AccountsService, 'namesOf'>;
  readonly backends: BackendRegistry;
  readonly installationId: string;
  readonly loads: LoadsService;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly runners: RunnersService;
}

/** Rows of one page of runners. */
const RUNNERS_SHOWN_MAX = 50;

/** A page of the agents that are awake, after the agent `after`. */
export async function runnersPage(deps: FleetDeps, reader: Reader, after: string) {
  const found = deps.runners.awakeAfter(after, RUNNERS_SHOWN_MAX + 1);
  const shown = found.slice(0, RUNNERS_SHOWN_MAX);
  return { views: await runnerViews(deps, reader, shown), hasMore: found.length > RUNNERS_SHOWN_MAX };
}

export async function runnerViews(
  deps: FleetDeps,
  reader: Reader,
  found: readonly Awake[],
): Promise<AdminRunnerView[]> {
  const owners = new Map(
    (await deps.accounts.namesOf(found.map(({ agent }) => agent.userId))).map((one) => [one.id, one.email]),
  );
  return found.map(({ agent, runner, status }) => ({
    agentId: agent.id,
    name: agent.name,
    owner: owners.get(agent.userId) ?? agent.userId,
    backend: deps.backends.find(agent.backend)?.displayName ?? agent.backend,
    state: status.state,
    ...(status.state === 'starting' && { message: startView(reader, status.progress).message }),
    // What it said is the user's, and reading it is audited.
    ...(status.failure && { message: status.failure.message, hint: withoutOutput(status.failure.hint) }),
    ...(runner && { upMs: coarse(Math.max(0, deps.now() - runner.startedAtMs)) }),
    answers: status.requests,
    // What holds a runner that starts waits for it, and calls nothing.
    calls: status.state === 'starting' ? 0 : status.leases - status.requests,
    idleMs: coarse(status.idleMs),
    isStale: status.isStale,
    ...(runner && deps.loads.newest({ agent, runner })),
  }));
}

/** Below a minute in steps of ten seconds, so that a page of runners does not change with every look. */
function coarse(ms: number): number {
  return ms < 60_000 ? Math.floor(ms / 10_000) * 10_000 : ms;
}

/** The predecessor's members, without the runner's secret. Times are seconds since the epoch. */
export function runnerJson(
  deps: Pick<FleetDeps, 'backends' | 'installationId' | 'loads'>,
  { agent, runner, status }: Running,
) {
  const load = deps.loads.newest({ agent, runner });
  return {
    user_id: agent.userId,
    agent_id: agent.id,
    backend: agent.backend,
    ...runnerAddress(deps.installationId, deps.backends.find(agent.backend), runner),
    started_at: unixSeconds(runner.startedAtMs),
    last_active: unixSeconds(status.lastActiveMs),
    idle_for_seconds: Math.floor(status.idleMs / 1000),
    state: status.state,
    stale: status.isStale,
    requests: status.requests,
    calls: status.leases - status.requests,
    cpu_percent: load?.cpuPercent ?? null,
    memory_bytes: load?.memoryBytes ?? null,
  };
}
