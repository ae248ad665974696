/** Many streams at once: at the pace of a model, and as fast as the proxy lets them through. */
import { cpuMs, rssMb } from '../processes';
import type { Sample } from '../results';
import { added, alternate, type Bench, plain, ratio, type Scenario, type Table } from '../scenario';
import type { Script } from '../script';
import { runStreams } from '../streams';
import { FLOOR, type Subject } from '../subjects';

export const PACED = 'streams';
export const FLAT_OUT = 'streams flat out';
export const CHUNK_BYTES = 200;
/** Tokens of a fast model. A thousand such streams would be more than one CPU carries, so those get 20 a second. */
const paceMs = (streams: number) => (streams < 1_000 ? 20 : 50);
/** Until nothing is compiled any more: at first that is a third of what a chunk costs the router. */
const WARM_UP = { streams: 64, ms: 20_000, peerMs: 8_000, floorMs: 2_000, quickMs: 1_500 };
/** How long a paced stream is, and how long its chunks are counted. */
const TIMES = { lengthMs: 2_000, windowMs: 3_000, quickLengthMs: 1_000, quickWindowMs: 1_000 };
const FLAT_OUT_MS = { windowMs: 2_000, quickWindowMs: 500 };
const PACED_MOST_MS = 290_000;
const FLAT_OUT_MOST_MS = 50_000;
const RSS_EVERY_MS = 100;

const shared = [
  plain('chunks/s', 'perSecond', 0),
  plain('CPU ms/1,000 chunks', 'cpuMs', 1),
  ratio('CPU × floor', 'cpuMs', FLOOR),
  plain('CPU busy %', 'busyPercent', 0),
  plain('RSS MB', 'rssMb', 0),
  plain('failures', 'failures', 0),
];
const paced: Table = {
  name: PACED,
  title: 'Streams at the pace of a model',
  load: 'streams',
  note: 'Each stream gets a chunk of 200 bytes every 20 ms (50 ms with 1,000 streams) and is followed by another one on the same connection. Before, the router was busy with 64 streams for 20 s, and its peers for 8; peers are measured once. Delay is the time from a chunk being sent by the runner to its arrival.',
  columns: [
    added('added first byte p50 ms', 'firstByteP50Ms', 2),
    added('p99 ms', 'firstByteP99Ms', 2),
    added('added delay p50 ms', 'delayP50Ms', 2),
    added('p99 ms', 'delayP99Ms', 2),
    added('longest ms', 'delayMaxMs', 1),
    ...shared,
  ],
};
const flatOut: Table = {
  name: FLAT_OUT,
  title: 'Streams flat out',
  load: 'streams',
  note: 'The runner sends 200 chunks for each request as fast as they are taken.',
  columns: [...shared, ratio('chunks/s × floor', 'perSecond', FLOOR)],
};

export const streams: Scenario = {
  name: 'streams',
  tables: [paced, flatOut],
  async run(bench) {
    const { options, rig } = bench;
    await warmUp(bench, rig.subjects, { chunks: 50, paceMs: 20, chunkBytes: CHUNK_BYTES });
    await alternate(bench, {
      table: PACED,
      loads: pacedLoads(bench),
      subjects: (count, round) => rig.subjects.filter(({ isPeer }) => !isPeer || (round === 1 && count !== 1)),
      nameOf,
      measure: (subject, count) => measureStreams(subject, count, pacedScript(bench, paceMs(count)), windowMs(bench)),
      mostMs: PACED_MOST_MS,
    });
    await alternate(bench, {
      table: FLAT_OUT,
      // A few streams take all of a CPU.
      loads: [16],
      subjects: () => rig.subjects,
      nameOf,
      measure: (subject, count) =>
        measureStreams(
          subject,
          count,
          { chunks: 200, paceMs: 0, chunkBytes: CHUNK_BYTES },
          options.isQuick ? FLAT_OUT_MS.quickWindowMs : FLAT_OUT_MS.windowMs,
        ),
      mostMs: FLAT_OUT_MOST_MS,
    });
  },
};

/** An answer as long as its table says, with a chunk every `paceMs`. */
export function pacedScript({ options }: Bench, paceMs: number): Script {
  const lengthMs = options.isQuick ? TIMES.quickLengthMs : TIMES.lengthMs;
  return { chunks: lengthMs / paceMs, paceMs, chunkBytes: CHUNK_BYTES };
}

/** How long chunks are counted. */
export function windowMs({ options }: Bench): number {
  return options.isQuick ? TIMES.quickWindowMs : TIMES.windowMs;
}

const nameOf = (count: number) => count.toLocaleString('en');

function pacedLoads({ options }: Bench): readonly number[] {
  if (options.profile) return [256];
  return options.isQuick ? [64, 1_000] : [1, 64, 1_000];
}

/** Has every proxy compile what it runs often. Those of which there is no process are left out. */
export async function warmUp({ options, say }: Bench, subjects: readonly Subject[], script: Script): Promise<void> {
  for (const subject of subjects) {
    if (!subject.server) continue;
    say(`streams: ${subject.name} gets warm`);
    const windowMs = options.isQuick ? WARM_UP.quickMs : warmUpMs(subject);
    await runStreams(subject, { streams: WARM_UP.streams, script, warmUpMs: 0, windowMs });
  }
}

function warmUpMs({ name, isPeer }: Subject): number {
  if (name === FLOOR) return WARM_UP.floorMs;
  return isPeer ? WARM_UP.peerMs : WARM_UP.ms;
}

/** One load at one subject, with the CPU and the memory of its process. */
export async function measureStreams(
  subject: Subject,
  count: number,
  script: Script,
  windowMs: number,
): Promise<Sample> {
  const pid = subject.server?.pid;
  const cpu = () => (pid === undefined ? Number.NaN : cpuMs(pid));
  let usedMs = Number.NaN;
  let peakMb = Number.NaN;
  const sampler = setInterval(() => {
    if (pid !== undefined) peakMb = Math.max(rssMb(pid), Number.isNaN(peakMb) ? 0 : peakMb);
  }, RSS_EVERY_MS);
  const result = await runStreams(subject, {
    streams: count,
    script,
    warmUpMs: windowMs / 4,
    windowMs,
    onWindow: (isOpen) => {
      usedMs = isOpen ? -cpu() : usedMs + cpu();
    },
  }).finally(() => clearInterval(sampler));
  const { chunks, windowMs: measuredMs, ...timings } = result;
  return {
    ...timings,
    perSecond: chunks / (measuredMs / 1e3),
    cpuMs: usedMs / (chunks / 1e3),
    busyPercent: (usedMs / measuredMs) * 100,
    rssMb: peakMb,
  };
}
