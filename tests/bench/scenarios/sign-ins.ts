/** Streams while many people sign in at once: what signing in takes from everybody else. */
import { type Crowd, gather } from '../crowd';
import type { Sample } from '../results';
import { alternate, plain, type Scenario } from '../scenario';
import type { Script } from '../script';
import { runStreams } from '../streams';
import { DIRECT, FLOOR, ROUTER, type Subject } from '../subjects';

export const SIGN_INS = 'sign-ins';
const STREAMS = 20;
/** The gap between two chunks, which is what a delay is to be compared with. */
const PACE_MS = 20;
const AT_ONCE = 200;
const MOST_MS = 180_000;

export const signIns: Scenario = {
  name: 'sign-ins',
  tables: [
    {
      name: SIGN_INS,
      title: 'Streams while people sign in',
      load: 'sign-ins at once',
      note: `${STREAMS} streams with a chunk every ${PACE_MS} ms, alone and while ${AT_ONCE} people sign in to the router at the same time, again and again, each with an account and from an address of their own. Every sign-in hashes a password; the router and its hashing share one CPU. The delay is that of a chunk, from the runner to the client. Controls are the same streams without a proxy, which have the delays of the measuring itself, and through the floor, a process that shares the router's CPU with it and knows nothing of sign-ins.`,
      columns: [
        plain('delay p50 ms', 'delayP50Ms', 2),
        plain('delay p99 ms', 'delayP99Ms', 2),
        plain('delay most ms', 'delayMaxMs', 1),
        plain('sign-ins/s', 'perSecond', 1),
        plain('told to wait %', 'refusedPercent', 1),
        plain('failures', 'failures', 0),
      ],
    },
  ],
  async run(bench) {
    const { options, rig } = bench;
    const windowMs = options.isQuick ? 3_000 : 6_000;
    await using crowd = await gather(rig.router, AT_ONCE);
    await alternate<number>(bench, {
      table: SIGN_INS,
      loads: [0, AT_ONCE],
      subjects: (atOnce) => {
        const names = atOnce > 0 ? [DIRECT, FLOOR, ROUTER] : [ROUTER];
        return rig.subjects.filter(({ name }) => names.includes(name));
      },
      nameOf: String,
      measure: (subject, atOnce) => measure(subject, atOnce > 0 ? crowd : undefined, windowMs),
      mostMs: MOST_MS,
    });
  },
};

async function measure(subject: Subject, crowd: Crowd | undefined, windowMs: number): Promise<Sample> {
  const script: Script = { chunks: 100, paceMs: PACE_MS, chunkBytes: 200 };
  const result = await runStreams(subject, {
    ...{ streams: STREAMS, script, warmUpMs: 500, windowMs },
    onWindow: (isOpen) => (isOpen ? crowd?.begin() : crowd?.stop()),
  });
  const { done, refused, failed } = (await crowd?.tally()) ?? { done: 0, refused: 0, failed: 0 };
  const all = done + refused + failed;
  return {
    ...{ delayP50Ms: result.delayP50Ms, delayP99Ms: result.delayP99Ms, delayMaxMs: result.delayMaxMs },
    perSecond: done / (result.windowMs / 1_000),
    refusedPercent: all === 0 ? 0 : (refused / all) * 100,
    failures: result.failures + failed,
  };
}
