/** CPU and memory that a runner uses, summed over all its living processes. */
import type { RunnerStats } from '../driver';
import { type Found, failure, findRunners, type ProcessHandle } from './runners';
import type { ProcessTable } from './table';

/** The router asks about all runners at once, and each would read the whole table. */
const TABLE_MS = 500;

/**
 * Makes the method `stats`; returns undefined when the process table has no usage figures. CPU is the mean since the last
 * call for this runner, so the first call has no CPU figure. A memory page that several processes share is counted once
 * for each process.
 */
export function createStats(table: ProcessTable): ((handle: ProcessHandle) => Promise<RunnerStats>) | undefined {
  const { usage } = table;
  if (usage === undefined) return undefined;
  const samples = new Map<string, { readonly cpuMs: number; readonly atMs: number }>();
  let known: { readonly runners: Promise<readonly Found[]>; readonly atMs: number } | undefined;
  const runnersNow = () => {
    if (known === undefined || performance.now() - known.atMs > TABLE_MS) {
      known = { runners: findRunners(table), atMs: performance.now() };
    }
    return known.runners;
  };
  return async ({ life }) => {
    const runners = await runnersNow();
    for (const one of samples.keys()) if (!runners.some(({ mark }) => mark.life === one)) samples.delete(one);
    const found = runners.find(({ mark }) => mark.life === life);
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
    // The CPU time of a process that ended is missing from the sum, so the sum may shrink.
    return { memoryBytes, cpuPercent: (Math.max(0, cpuMs - last.cpuMs) / (atMs - last.atMs)) * 100 };
  };
}
