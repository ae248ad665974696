/** CPU and memory of a runner, from one reading of its control group by the engine. */
import type Docker from 'dockerode';
import type { RunnerStats } from '../driver';
import { find } from './engine';
import type { DockerHandle, DriverParts } from './runners';

/**
 * Makes `stats`. CPU is the mean since the last call for this runner, so the first call has no CPU figure; the engine's
 * own mean would take two seconds per call. Memory excludes the page cache, as in `docker stats`.
 */
export function createStats({ docker, known }: DriverParts) {
  const samples = new Map<string, { readonly cpuNs: number; readonly atMs: number }>();
  return async ({ containerId }: DockerHandle, signal: AbortSignal): Promise<RunnerStats> => {
    for (const id of samples.keys()) if (!known.has(id)) samples.delete(id);
    const stats = await find(signal, async () =>
      (await docker()).getContainer(containerId).stats({ stream: false, 'one-shot': true }),
    );
    const memoryBytes = stats && memoryOf(stats);
    // For an exited container the engine answers zeros.
    if (stats === undefined || memoryBytes === undefined) return {};
    const sample = { cpuNs: stats.cpu_stats.cpu_usage.total_usage, atMs: Date.parse(stats.read) };
    const last = samples.get(containerId);
    samples.set(containerId, sample);
    if (last === undefined || sample.atMs <= last.atMs) return { memoryBytes };
    const busyMs = Math.max(0, sample.cpuNs - last.cpuNs) / 1e6;
    return { memoryBytes, cpuPercent: (busyMs / (sample.atMs - last.atMs)) * 100 };
  };
}

/** The cache is `total_inactive_file` in version 1 of control groups and `inactive_file` in version 2. */
function memoryOf({ memory_stats: { usage, stats } }: Docker.ContainerStats): number | undefined {
  if (usage === undefined) return undefined;
  const cache = stats?.total_inactive_file ?? stats?.inactive_file ?? 0;
  return Math.max(0, usage - cache);
}
