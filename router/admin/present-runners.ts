/** Turns all runners, and what they run on, into what the administrator's pages and API show. */
import { stat, statfs } from 'node:fs/promises';
import pkg from '../../package.json';
import type { AdminRunnerView, FleetView } from '../../views/admin/models';
import type { AccountsService } from '../accounts/accounts';
import type { BackendRegistry } from '../backends/backends';
import type { Config } from '../config/config';
import type { LoadsService } from '../runners/loads';
import { runnerAddress } from '../runners/present';
import type { RunnersService } from '../runners/runners';

export interface FleetDeps {
  readonly accounts: Pick<AccountsService, 'namesOf'>;
  readonly backends: BackendRegistry;
  readonly config: Pick<Config, 'dataRoot' | 'databasePath'>;
  readonly installationId: string;
  readonly loads: LoadsService;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly platforms: { problems(): Readonly<Record<string, string>> };
  readonly runners: RunnersService;
}

type Running = ReturnType<RunnersService['running']>[number];

/** How many runners there are by state, what they take, and what the router itself runs on. */
export async function fleetView(deps: FleetDeps): Promise<FleetView> {
  const { states, queuedStarts } = deps.runners.census();
  const count = (asked: string) => states.filter(({ state }) => state === asked).length;
  const loads = [...deps.loads.current().values()];
  const { bavail, blocks, bsize } = await statfs(deps.config.dataRoot);
  const { size } = await stat(deps.config.databasePath);
  return {
    running: count('running'),
    starting: count('starting'),
    queued: queuedStarts,
    failed: count('failed'),
    cpuPercent: loads.reduce((sum, { cpuPercent = 0 }) => sum + cpuPercent, 0),
    memoryBytes: loads.reduce((sum, { memoryBytes = 0 }) => sum + memoryBytes, 0),
    freeBytes: bavail * bsize,
    diskBytes: blocks * bsize,
    databaseBytes: size,
    versions: `agent-stack ${pkg.version}, Bun ${Bun.version}`,
    problems: Object.entries(deps.platforms.problems()).map(([platform, message]) => ({ platform, message })),
  };
}

/** A page of the runners in the order of their agents' ids, after the agent `after`. */
export function pageOf({ runners }: Pick<FleetDeps, 'runners'>, after: string, limit: number) {
  const found = runners
    .running()
    .filter(({ agent }) => agent.id > after)
    .sort((a, b) => (a.agent.id < b.agent.id ? -1 : 1));
  return { found: found.slice(0, limit), hasMore: found.length > limit };
}

export async function runnerViews(deps: FleetDeps, found: readonly Running[]): Promise<AdminRunnerView[]> {
  const owners = new Map(
    (await deps.accounts.namesOf(found.map(({ agent }) => agent.userId))).map((one) => [one.id, one.email]),
  );
  const loads = deps.loads.current();
  return found.map(({ agent, runner, status }) => ({
    agentId: agent.id,
    name: agent.name,
    owner: owners.get(agent.userId) ?? agent.userId,
    backend: deps.backends.find(agent.backend)?.displayName ?? agent.backend,
    state: status.state,
    upMs: Math.max(0, deps.now() - runner.startedAtMs),
    answers: status.requests,
    calls: status.leases - status.requests,
    idleMs: status.idleMs,
    isStale: status.isStale,
    ...loads.get(agent.id),
  }));
}

/** The predecessor's members, without the runner's secret. Times are seconds since the epoch. */
export function runnerJson(
  deps: Pick<FleetDeps, 'backends' | 'installationId' | 'loads'>,
  { agent, runner, status }: Running,
) {
  const load = deps.loads.current().get(agent.id);
  return {
    user_id: agent.userId,
    agent_id: agent.id,
    backend: agent.backend,
    ...runnerAddress(deps.installationId, deps.backends.find(agent.backend), runner),
    started_at: Math.floor(runner.startedAtMs / 1000),
    last_active: Math.floor(status.lastActiveMs / 1000),
    idle_for_seconds: Math.floor(status.idleMs / 1000),
    state: status.state,
    stale: status.isStale,
    requests: status.requests,
    calls: status.leases - status.requests,
    cpu_percent: load?.cpuPercent ?? null,
    memory_bytes: load?.memoryBytes ?? null,
  };
}
