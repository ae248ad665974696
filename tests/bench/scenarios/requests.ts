/** Short answers that are not streamed, over connections that are kept busy. */
import { cpuMs } from '../processes';
import type { Sample } from '../results';
import { added, alternate, type Bench, plain, ratio, type Scenario } from '../scenario';
import { FLOOR, type Subject } from '../subjects';
import { requireWrk, runWrk } from '../wrk';

export const REQUESTS = 'requests';
const CONNECTIONS = [1, 16, 64, 256];
const QUICK_CONNECTIONS = [1, 64];
/** Of all targets; peers are compared under this load only. */
const TARGET_CONNECTIONS = 64;
/** Until nothing is compiled any more, which takes 15 s of a router and nothing of the floor. */
const WARM_UP = { connections: TARGET_CONNECTIONS, seconds: 15, peerSeconds: 8, floorSeconds: 2, quickSeconds: 1 };
const MOST_MS = 150_000;

export const requests: Scenario = {
  name: 'requests',
  tables: [
    {
      name: REQUESTS,
      title: 'Requests that are not streamed',
      load: 'connections',
      note: 'Each connection sends a chat completion (about 220 bytes, the answer about 300) as soon as the one before is answered. With more than one the proxy is saturated, and what is added is mostly waiting for its CPU. Before, the router was busy for 15 s, and its peers for 8.',
      columns: [
        plain('requests/s', 'perSecond', 0),
        ratio('× floor', 'perSecond', FLOOR),
        added('added p50 ms', 'p50Ms', 2),
        added('added p99 ms', 'p99Ms', 2),
        plain('CPU µs/request', 'cpuUs', 1),
        plain('CPU busy %', 'busyPercent', 0),
        plain('failures', 'failures', 0),
      ],
    },
  ],
  async run(bench) {
    await requireWrk();
    const { options, rig, say } = bench;
    const proxies = rig.subjects.filter(({ server }) => server !== undefined);
    for (const subject of proxies) {
      say(`${REQUESTS}: ${subject.name} gets warm`);
      await runWrk(subject, WARM_UP.connections, options.isQuick ? WARM_UP.quickSeconds : warmUpSeconds(subject));
    }
    await alternate(bench, {
      table: REQUESTS,
      loads: loads(bench),
      subjects: (connections) => rig.subjects.filter(({ isPeer }) => !isPeer || connections === TARGET_CONNECTIONS),
      nameOf: String,
      measure: (subject, connections) => measure(subject, connections, options.isQuick ? 1 : 2),
      mostMs: MOST_MS,
    });
  },
};

function warmUpSeconds({ name, isPeer }: Subject): number {
  if (name === FLOOR) return WARM_UP.floorSeconds;
  return isPeer ? WARM_UP.peerSeconds : WARM_UP.seconds;
}

function loads({ options }: Bench): readonly number[] {
  if (options.profile) return [TARGET_CONNECTIONS];
  return options.isQuick ? QUICK_CONNECTIONS : CONNECTIONS;
}

async function measure(subject: Subject, connections: number, seconds: number): Promise<Sample> {
  const cpu = () => (subject.server ? cpuMs(subject.server.pid) : Number.NaN);
  const beforeMs = cpu();
  const { requests: count, durationUs, p50Us, p99Us, failures } = await runWrk(subject, connections, seconds);
  const usedMs = cpu() - beforeMs;
  return {
    perSecond: count / (durationUs / 1e6),
    p50Ms: p50Us / 1e3,
    p99Ms: p99Us / 1e3,
    cpuUs: (usedMs * 1e3) / count,
    busyPercent: (usedMs * 1e5) / durationUs,
    failures,
  };
}
