/** What a runner uses, summed over everything that lives of it. */
import type { RunnerStats } from '../driver';
import { failure, findRunners, type ProcessHandle } from './runners';
import type { ProcessTable } from './table';

/**
 * Makes `stats`; undefined where the platform does not tell. CPU is the mean since the last call for this runner, so
 * the first call has none. Memory counts a page that processes share once for each of them.
 */
export function createStats(table: ProcessTable): ((handle: ProcessHandle) => Promise<RunnerStats>) | undefined {
  const { usage } = table;
  if (usage === undefined) return undefined;
  const samples = new Map<string, { readonly cpuMs: number; readonly atMs: number }>();
  return async ({ life }) => {
    const found = (await findRunners(table)).find(({ mark }) => mark.life === life);
    const last = samples.get(life);
    samples.delete(life);
    if (found === undefined) return {};
    const usages = await Promise.all(found.members.map(({ pid }) => usage(pid))).catch((cause) => {
      throw failure('unavailable', 'the process table could not be read', cause);
    });
    const used = usages.filter((entry) => entry !== undefined);
    const cpuMs = used.reduce((sum, entry) => sum + entry.cpuMs, 0);
    const memoryBytes = used.reduce((sum, entry) => sum + entry.memoryBytes, 0);
    const atMs = performance.now();
    samples.set(life, { cpuMs, atMs });
    if (last === undefined || atMs <= last.atMs) return { memoryBytes };
    // A member that ended takes its time with it: the sum may shrink.
    return { memoryBytes, cpuPercent: (Math.max(0, cpuMs - last.cpuMs) / (atMs - last.atMs)) * 100 };
  };
}
