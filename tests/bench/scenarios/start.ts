/** How long things take to be there: a proxy's own start, its size when nobody asks, and a runner that has to be started. */
import { freePort } from '../../support/ports';
import { OTHER_CPU, rssMb, Server } from '../processes';
import { RUNNER_COMMAND } from '../router';
import { type Column, plain, type Scenario } from '../scenario';

export const START_UP = 'start-up';
export const COLD_START = 'cold start';
export const BY_ITSELF = 'the runner by itself';
export const THROUGH_ROUTER = 'through the router';
const IDLE_MS = 2_000;

const overhead: Column = {
  title: 'added ms',
  digits: 0,
  values: (results, place) => {
    const alone = results.values({ ...place, subject: BY_ITSELF }, 'ms');
    return results.values(place, 'ms').map((ms, round) => ms - (alone[round] ?? Number.NaN));
  },
};

export const startUp: Scenario = {
  name: 'start-up',
  tables: [
    {
      name: START_UP,
      title: 'Start-up and idle memory',
      note: `From spawning the process to its first 200 (\`/healthz\`; with Portkey \`/\`), on data that is there already. Idle memory is what it has ${IDLE_MS / 1_000} s later.`,
      columns: [plain('start ms', 'startMs', 0), plain('idle RSS MB', 'idleMb', 0)],
    },
  ],
  async run({ options, rig, results, say }) {
    for (let round = 1; round <= options.rounds; round += 1) {
      say(`start-up, round ${round} of ${options.rounds}`);
      const place = { table: START_UP, load: '' };
      const started: { server: Server; startMs: number }[] = [];
      for (const server of rig.servers) started.push({ server, startMs: await server.restart() });
      await Bun.sleep(IDLE_MS);
      for (const { server, startMs } of started) {
        results.add({ ...place, subject: server.name }, { startMs, idleMb: rssMb(server.pid) });
      }
    }
  },
};

export const coldStart: Scenario = {
  name: 'cold-start',
  tables: [
    {
      name: COLD_START,
      title: 'A cold start',
      note: 'The first answer of a runner that has to be started for it, against the time from spawning the same runner by hand to its first answer.',
      columns: [plain('ms', 'ms', 0), overhead],
    },
  ],
  async run({ options, rig, results, say }) {
    const { router } = rig;
    const times = options.isQuick ? 3 : 10;
    say(`cold start, ${times} times`);
    for (let done = 0; done < times; done += 1) {
      const place = { table: COLD_START, load: '' };
      results.add({ ...place, subject: BY_ITSELF }, { ms: await startByItself() });
      await router.stopRunner();
      const askedMs = performance.now();
      await router.ask();
      results.add({ ...place, subject: THROUGH_ROUTER }, { ms: performance.now() - askedMs });
    }
  },
};

async function startByItself(): Promise<number> {
  const port = freePort();
  await using runner = new Server({
    name: 'runner',
    command: RUNNER_COMMAND,
    env: { PORT: String(port), BENCH_PID: String(process.pid) },
    cpu: OTHER_CPU,
    port,
    healthPath: '/v1/models',
  });
  return await runner.start();
}
