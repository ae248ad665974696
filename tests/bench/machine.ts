/** The context of all measurements: the machine, the versions, and the load. */
import { cpus, loadavg, totalmem } from 'node:os';
import { isPinned } from './processes';

/** The fewest file descriptors with which a thousand streams can be held at both ends. */
const FILES_MIN = 4_096;

/** One sentence each. */
export function machineFacts(): readonly string[] {
  const all = cpus();
  const node = Bun.which('node') ? Bun.spawnSync(['node', '--version']).stdout.toString().trim() : 'no node';
  const [oneMinute = 0] = loadavg();
  return [
    `${all.length} × ${all[0]?.model.trim() ?? 'unknown CPU'}, ${Math.round(totalmem() / 1e9)} GB, ${process.platform} ${process.arch}`,
    `Bun ${Bun.version}, Node ${node}`,
    isPinned
      ? 'the proxy under test alone on CPU 1, everything else on CPU 0'
      : 'nothing pinned: proxy, runner and load share all CPUs, so compare with care',
    `load average ${oneMinute.toFixed(2)} before the run`,
  ];
}

/** Throws what to type when the machine would not let the bench open its connections. */
export function requireFiles(): void {
  const limit = Bun.spawnSync(['sh', '-c', 'ulimit -n']).stdout.toString().trim();
  if (limit === 'unlimited' || Number(limit) >= FILES_MIN) return;
  throw new Error(
    `A process may open only ${limit} files here, and the bench needs ${FILES_MIN}: ulimit -n ${FILES_MIN}`,
  );
}
