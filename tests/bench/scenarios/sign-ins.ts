/** Streams while many people sign in at once: what hashing passwords takes from everybody else. */
import type { Sample } from '../results';
import { alternate, plain, type Scenario } from '../scenario';
import type { Script } from '../script';
import { runStreams } from '../streams';
import { ROUTER, type Subject } from '../subjects';

export const SIGN_INS = 'sign-ins';
const STREAMS = 20;
/** The gap between two chunks, which is what a delay is to be compared with. */
const PACE_MS = 20;
const AT_ONCE = 200;
const MOST_MS = 90_000;

export const signIns: Scenario = {
  name: 'sign-ins',
  tables: [
    {
      name: SIGN_INS,
      title: 'Streams while people sign in',
      load: 'sign-ins at once',
      note: `${STREAMS} streams with a chunk every ${PACE_MS} ms, alone and while ${AT_ONCE} people sign in at the same time, again and again, each from an address of their own. Every sign-in hashes a password; the router and its hashing share one CPU. The delay is that of a chunk, from the runner to the client.`,
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
    const windowMs = options.isQuick ? 3_000 : 10_000;
    await alternate<number>(bench, {
      table: SIGN_INS,
      loads: [0, AT_ONCE],
      subjects: () => rig.subjects.filter(({ name }) => name === ROUTER),
      nameOf: String,
      measure: (subject, atOnce) => measure(subject, atOnce, windowMs),
      mostMs: MOST_MS,
    });
  },
};

async function measure(subject: Subject, atOnce: number, windowMs: number): Promise<Sample> {
  const script: Script = { chunks: 100, paceMs: PACE_MS, chunkBytes: 200 };
  const statuses: number[] = [];
  const waves: Promise<void>[] = [];
  let isOpen = false;
  const result = await runStreams(subject, {
    ...{ streams: STREAMS, script, warmUpMs: 500, windowMs },
    onWindow(open) {
      isOpen = open;
      if (open) waves.push(...Array.from({ length: atOnce }, () => signInWhile(subject, () => isOpen, statuses)));
    },
  });
  await Promise.all(waves);
  const refused = statuses.filter((status) => status === 429 || status === 503).length;
  return {
    ...{ delayP50Ms: result.delayP50Ms, delayP99Ms: result.delayP99Ms, delayMaxMs: result.delayMaxMs },
    perSecond: (statuses.length - refused) / (result.windowMs / 1_000),
    refusedPercent: statuses.length === 0 ? 0 : (refused / statuses.length) * 100,
    failures: result.failures,
  };
}

/** One person after another, each unknown: the router hashes a password for them all the same. */
async function signInWhile({ port }: Subject, isOpen: () => boolean, statuses: number[]): Promise<void> {
  while (isOpen()) {
    const [a = 0, b = 0, c = 0] = crypto.getRandomValues(new Uint8Array(3));
    const response = await fetch(`http://127.0.0.1:${port}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': `100.${a}.${b}.${c}` },
      body: JSON.stringify({ email: `${crypto.randomUUID()}@example.org`, password: 'a password of nobody' }),
    });
    await response.arrayBuffer();
    statuses.push(response.status);
  }
}
