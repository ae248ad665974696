/** An agent's token, both ways: from the LLM API through the broker to the runner, and through the relay to the client. */
import { added, alternate, type Bench, plain, ratio, type Scenario } from '../scenario';
import { DIRECT, FLOOR, ROUTER, type Subject } from '../subjects';
import { CHUNK_BYTES, measureStreams, pacedScript, warmUp, windowMs } from './streams';

export const AGENTS = 'agents';
export const BOTH_WAYS = 'router, both ways';
const PACE_MS = 50;
const MOST_MS = 110_000;

/** A router that is asked twice for each token. */
interface Asked {
  readonly subject: Subject;
  readonly viaBroker: boolean;
}

export const agents: Scenario = {
  name: 'agents',
  tables: [
    {
      name: AGENTS,
      title: "An agent's token, both ways",
      load: 'agents',
      note: `Each agent gets a token of 200 bytes every ${PACE_MS} ms. _Both ways_, the runner asks the broker for its answer and passes it on as it comes, so that each token goes from the LLM API through broker, runner and relay, and is metered; the others carry it once. One process is all runners, and the LLM API.`,
      columns: [
        added('added first byte p50 ms', 'firstByteP50Ms', 2),
        added('p99 ms', 'firstByteP99Ms', 2),
        added('added delay p50 ms', 'delayP50Ms', 2),
        added('p99 ms', 'delayP99Ms', 2),
        plain('CPU µs/token', 'cpuUs', 1),
        ratio('CPU × floor', 'cpuUs', FLOOR),
        plain('CPU busy %', 'busyPercent', 0),
        plain('RSS MB', 'rssMb', 0),
        plain('failures', 'failures', 0),
      ],
    },
  ],
  async run(bench) {
    const asked = askedOf(bench);
    const bothWays = asked.filter(({ viaBroker }) => viaBroker).map(({ subject }) => subject);
    const script = { chunks: 20, paceMs: PACE_MS, chunkBytes: CHUNK_BYTES, viaBroker: true };
    await warmUp(bench, bothWays, script);
    await alternate(bench, {
      table: AGENTS,
      loads: [bench.options.isQuick ? 64 : 256],
      subjects: () => asked.map(({ subject }) => subject),
      nameOf: String,
      measure: async (subject, count) => {
        const viaBroker = asked.some((one) => one.subject === subject && one.viaBroker);
        const script = { ...pacedScript(bench, PACE_MS), ...(viaBroker && { viaBroker }) };
        const sample = await measureStreams(subject, count, script, windowMs(bench));
        return { ...sample, cpuUs: sample.cpuMs ?? Number.NaN };
      },
      mostMs: MOST_MS,
    });
  },
};

/** Without a proxy, the floor and the router once, and the router twice. */
function askedOf({ rig }: Bench): readonly Asked[] {
  const once = rig.subjects.filter(({ name }) => [DIRECT, FLOOR, ROUTER].includes(name));
  const router = once.find(({ name }) => name === ROUTER);
  return [
    ...once.map((subject) => ({ subject, viaBroker: false })),
    ...(router ? [{ subject: { ...router, name: BOTH_WAYS }, viaBroker: true }] : []),
  ];
}
