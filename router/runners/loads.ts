/**
 * CPU and memory of running runners during the last hour. Sampled in this place only, by one clock, for every page and
 * overview that shows them.
 */
import type { Driver } from '../../drivers/driver';
import { runnersLog } from '../lib/log';
import { Recent } from '../lib/lru';
import { inParallel } from '../lib/parallel';
import { onClock } from '../lib/time';
import { isDriverFailure } from '../platforms/driver-error';
import type { RunnersService } from './runners';
import type { Running } from './slots/lookups';

/** Milliseconds between two samples. */
export const SAMPLE_MS = 20_000;
const KEPT_MS = 3_600_000;
/** A sample takes some 60 bytes: at most 180 samples for each of these agents, some 20 MB. */
const AGENTS_MAX = 2_000;
const ANSWER_MS = 5_000;
const PARALLEL = 8;

interface Load {
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  /** Percent of one CPU since the sample before; absent in the first sample of a runner. */
  readonly cpuPercent?: number;
  readonly memoryBytes?: number;
}

export type LoadsService = ReturnType<typeof loadsService>;

export function loadsService({ runners, now }: { runners: Pick<RunnersService, 'running'>; now: () => number }) {
  const byAgent = new Recent<string, readonly Load[]>(AGENTS_MAX);
  let sum = { cpuPercent: 0, memoryBytes: 0 };

  /** Returns the loads of the last hour. */
  function recent(loads: readonly Load[] = []): readonly Load[] {
    const fromMs = now() - KEPT_MS;
    return loads.filter(({ atMs }) => atMs > fromMs);
  }

  /** The newest sample of a runner; undefined where it was not sampled yet. */
  function newest({ agent, runner }: Pick<Running, 'agent' | 'runner'>): Load | undefined {
    const load = byAgent.get(agent.id)?.at(-1);
    return load && load.atMs >= runner.startedAtMs ? load : undefined;
  }

  return {
    /** Oldest first, of the last hour. There is a gap while the agent has no runner, and none at all of a driver without `stats`. */
    of: (agentId: string): readonly Load[] => recent(byAgent.get(agentId)),

    newest,

    /** CPU and memory of all runners together, by the last sample. */
    total: () => sum,

    /**
     * Takes one sample of every running runner. After one failure of a driver its other runners wait for the next pass, unless it
     * was a wrong answer.
     */
    async sample(): Promise<void> {
      for (const [agentId, loads] of [...byAgent.entries()]) if (recent(loads).length === 0) byAgent.delete(agentId);
      const sampled = runners.running().filter(({ status }) => status.state === 'running');
      const silent = new Set<Driver>();
      await inParallel(sampled, PARALLEL, async ({ agent, runner: { driver, handle } }) => {
        if (!driver.stats || silent.has(driver)) return;
        try {
          const stats = await onClock(ANSWER_MS, undefined, async (signal) => driver.stats?.(handle, signal));
          if (stats?.memoryBytes === undefined) return;
          byAgent.set(agent.id, [...recent(byAgent.get(agent.id)), { ...stats, atMs: now() }]);
        } catch (error) {
          // A wrong answer is about this runner only.
          if (!isDriverFailure(error) || error.fault !== 'wrong_answer') silent.add(driver);
          runnersLog.debug({ driver: driver.name, err: error }, 'stats.failed');
        }
      });
      const loads = runners.running().map(newest);
      sum = {
        cpuPercent: loads.reduce((all, load) => all + (load?.cpuPercent ?? 0), 0),
        memoryBytes: loads.reduce((all, load) => all + (load?.memoryBytes ?? 0), 0),
      };
    },
  };
}
