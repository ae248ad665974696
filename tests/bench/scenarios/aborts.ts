/** Clients that leave in the middle of an answer, ten thousand times: what stays behind. */
import { rssMb, type Server } from '../processes';
import { slope } from '../results';
import { plain, type Scenario } from '../scenario';
import type { Script } from '../script';
import { runStreams, streamRequest } from '../streams';
import { FLOOR, ROUTER, type Subject } from '../subjects';

export const ABORTS = 'aborts';
const AT_ONCE = 100;
const BATCHES = 10;
/** Long enough that every client leaves before its end. */
const ANSWER: Script = { chunks: 500, paceMs: 20, chunkBytes: 200 };
const WARM_UP = { streams: AT_ONCE, script: { ...ANSWER, chunks: 20 }, warmUpMs: 0, windowMs: 2_000 };
/** Until garbage is collected and its pages are given back. */
const SETTLE_MS = 30_000;
const QUICK_SETTLE_MS = 3_000;
/** Law 9: the runner's request is aborted within a second. */
const RELEASE_MS = 1_000;

export const aborts: Scenario = {
  name: 'aborts',
  tables: [
    {
      name: ABORTS,
      title: 'Clients that leave',
      note: `${AT_ONCE} clients at a time ask for a stream and drop the connection at its first byte. The process is a fresh one that has served ${AT_ONCE} streams for two seconds. Left open is what the runner still sends a second after the last client has gone. Both sizes are taken after a rest of ${SETTLE_MS / 1_000} s.`,
      columns: [
        plain('aborts', 'aborts', 0),
        plain('RSS before MB', 'beforeMb', 1),
        plain('RSS after MB', 'afterMb', 1),
        plain('growth %', 'growthPercent', 1),
        plain('slope MB/1,000 aborts', 'slopeMb', 2),
        plain('left open', 'leftOpen', 0),
      ],
    },
  ],
  async run({ options, rig, results, say }) {
    const batch = options.isQuick ? 100 : 1_000;
    const settleMs = options.isQuick ? QUICK_SETTLE_MS : SETTLE_MS;
    const measured = rig.subjects.flatMap((subject) => {
      const { name, server } = subject;
      return server && (name === FLOOR || name === ROUTER) ? [{ subject, server }] : [];
    });
    for (const { subject, server } of measured) {
      await server.restart();
      await runStreams(subject, WARM_UP);
    }
    // One rest serves all.
    await Bun.sleep(settleMs);
    const left: { name: string; server: Server; beforeMb: number; slopeMb: number; leftOpen: number }[] = [];
    for (const { subject, server } of measured) {
      say(`aborts: ${BATCHES * batch} at ${subject.name}`);
      const beforeMb = rssMb(server.pid);
      const sizesMb: number[] = [];
      for (let done = 0; done < BATCHES; done += 1) {
        await abortMany(subject, batch);
        sizesMb.push(rssMb(server.pid));
      }
      await Bun.sleep(RELEASE_MS);
      const { open: leftOpen } = await rig.router.runnerStats();
      left.push({ name: subject.name, server, beforeMb, slopeMb: slope(sizesMb) * (1_000 / batch), leftOpen });
    }
    await Bun.sleep(settleMs);
    for (const { name, server, beforeMb, ...sample } of left) {
      const afterMb = rssMb(server.pid);
      const growthPercent = (afterMb / beforeMb - 1) * 100;
      const place = { table: ABORTS, load: '', subject: name };
      results.add(place, { ...sample, aborts: BATCHES * batch, beforeMb, afterMb, growthPercent });
    }
  },
};

async function abortMany(subject: Subject, count: number): Promise<void> {
  let left = count;
  const one = async () => {
    while (left > 0) {
      left -= 1;
      await abortOne(subject);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

/** Asks for a stream and drops the connection when the first bytes are there. */
async function abortOne(subject: Subject): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: '127.0.0.1',
    port: subject.port,
    socket: { data: (reader) => reader.terminate(), close: () => resolve(), error: () => resolve() },
  });
  socket.write(streamRequest(subject, ANSWER));
  await promise;
}
