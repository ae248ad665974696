/** Clients that read far more slowly than the runner writes: what a proxy keeps for each of them. */
import { rssMb, type Server } from '../processes';
import { plain, ratio, type Scenario } from '../scenario';
import type { Script } from '../script';
import { streamRequest } from '../streams';
import { FLOOR, ROUTER, type Subject } from '../subjects';

export const SLOW_READER = 'slow reader';
/** Several, because memory is handed out in pieces larger than what one stream may keep. */
const READERS = 20;
const CHUNK_BYTES = 65_536;
/** 200 MB. */
const LONG: Script = { chunks: 3_200, paceMs: 0, chunkBytes: CHUNK_BYTES };
/** 2 MB. */
const SHORT: Script = { ...LONG, chunks: 32 };
const REST_MS = 500;
const RSS_EVERY_MS = 100;

export const slowReader: Scenario = {
  name: 'slow-reader',
  tables: [
    {
      name: SLOW_READER,
      title: 'A slow reader',
      note: `${READERS} clients at once ask for 200 MB each and take at most two pieces a second. Before, each has read 2 MB at full speed, and the process is a fresh one.`,
      columns: [
        plain('RSS before MB', 'beforeMb', 0),
        plain('most RSS MB', 'peakMb', 0),
        plain('growth per stream MB', 'perStreamMb', 2),
        ratio('× floor', 'perStreamMb', FLOOR),
      ],
    },
  ],
  async run({ options, rig, results, say }) {
    const subjects = rig.subjects.filter(
      ({ name, isPeer }) => name === FLOOR || name === ROUTER || (isPeer && !options.isQuick),
    );
    for (const subject of subjects) {
      const { server } = subject;
      if (!server) continue;
      say(`slow reader: ${subject.name}`);
      await server.restart();
      await Promise.all(Array.from({ length: READERS }, () => read(subject, SHORT, 0)));
      const beforeMb = rssMb(server.pid);
      const peakMb = await peakWhile(server, options.isQuick ? 1_500 : 6_000, (signal) =>
        Promise.all(Array.from({ length: READERS }, () => read(subject, LONG, REST_MS, signal))),
      );
      results.add(
        { table: SLOW_READER, load: '', subject: subject.name },
        { beforeMb, peakMb, perStreamMb: (peakMb - beforeMb) / READERS },
      );
      // Some never let go of the runner when their client leaves.
      await server.restart();
    }
  },
};

/** The most memory a server uses while `work` goes on, for so long. */
async function peakWhile(server: Server, ms: number, work: (signal: AbortSignal) => Promise<unknown>): Promise<number> {
  let peakMb = 0;
  const sampler = setInterval(() => {
    peakMb = Math.max(peakMb, rssMb(server.pid));
  }, RSS_EVERY_MS);
  await work(AbortSignal.timeout(ms)).finally(() => clearInterval(sampler));
  return peakMb;
}

/** Reads an answer to its end or until the signal; rests after every piece. */
async function read(subject: Subject, script: Script, restMs: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: '127.0.0.1',
    port: subject.port,
    socket: {
      data(reader, bytes) {
        if (bytes.subarray(-5).equals(LAST_CHUNK)) reader.terminate();
        else if (restMs > 0) {
          reader.pause();
          setTimeout(() => reader.resume(), restMs);
        }
      },
      close: () => resolve(),
      error: () => resolve(),
    },
  });
  signal?.addEventListener('abort', () => socket.terminate(), { once: true });
  socket.write(streamRequest(subject, script));
  await promise;
}

/** Ends a body that is sent in chunks. */
const LAST_CHUNK = Buffer.from('0\r\n\r\n');
