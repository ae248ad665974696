/** What the router's work costs, in numbers that do not depend on the machine. `bun tests/bench/counts.ts` prints them. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/ports';
import type { Counted } from './counting';
import { endAll } from './processes';
import { type RouterUnderTest, startRouter } from './router';
import { watch } from './scenarios/page';
import { CHAT_PATH, chatBody, type Script } from './script';

const TIMES = 100;
const ROUNDS = 5;
const KEPT_ROUNDS = 3;
/** Of requests, which are counted by far more than all else, so that one collection more counts for less. */
const REQUESTS = [500, 13_500] as const;
const AT_ONCE = 10;
const STREAMS = 50;
const STREAM: Script = { chunks: 0, paceMs: 5, chunkBytes: 200 };
const OPEN: Script = { chunks: 1_000, paceMs: 1_000, chunkBytes: 200 };
/** A collection in the log of JavaScriptCore (`BUN_JSC_logGC`): the heap before it and after it, with other lines of it between. */
const COLLECTION = /START M (\d+)kb =>(?:.|\n)*?=> (\d+)kb, p=/g;
/** Of that log: the heap that begins a line, the end of a line with what else is written there, and what is between. */
const PARTS = /\[GC<0x[0-9a-f]+>|\n(?:GC END!\n|Requesting GC[^\n]*\n)*|[^\n[]+|\[/g;

interface Cost extends Counted {
  /** Bytes of the JavaScript heap that were allocated, all in all. */
  readonly bytes: number;
  /** Bytes of it that are still in use. */
  readonly keptBytes: number;
}

export type Counts = Readonly<Record<keyof typeof COUNTS, number>>;

export const COUNTS = {
  requestBytes: 'bytes allocated by a request',
  requestStatements: 'SQL statements of a request',
  turnBytes: 'bytes allocated by a recorded turn',
  turnStatements: 'SQL statements of a recorded turn',
  turnCommits: 'commits of a recorded turn',
  turnWrittenBytes: 'bytes written to files by a recorded turn',
  chunkBytes: 'bytes allocated by a chunk',
  recordedChunkBytes: 'bytes allocated by a recorded chunk',
  agentChunkBytes: "bytes allocated by an agent's token, both ways",
  streamKeptBytes: 'bytes kept for an open stream',
  pageBytes: 'bytes sent to a page for an answer of 4 KB',
} as const;

/** Starts a router and its runner, and counts. */
export async function countAll(): Promise<Counts> {
  const directory = await mkdtemp(join(tmpdir(), 'agent-stack-counts-'));
  try {
    return await countIn(join(directory, 'collections.log'));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function countIn(stderr: string): Promise<Counts> {
  const port = freePort();
  const env = { COUNTING_PORT: String(port), BUN_JSC_logGC: '1' };
  await using router = await startRouter({ preload: { path: join(import.meta.dir, 'counting.ts'), env, stderr } });
  const look = async () => {
    const counted = (await (await fetch(`http://127.0.0.1:${port}`)).json()) as Counted;
    const log = await Bun.file(stderr).text();
    return { ...counted, logBytes: log.length, collections: collectionsOf(log) };
  };
  /** What `work` has cost. */
  const cost = async (work: () => Promise<unknown>): Promise<Cost> => {
    const before = await look();
    await work();
    const after = await look();
    const startKb = before.collections.at(-1)?.leftKb ?? 0;
    let [bytes, keptKb] = [0, startKb];
    for (const { grownKb, leftKb } of after.collections.slice(before.collections.length)) {
      bytes += (grownKb - keptKb) * 1_024;
      keptKb = leftKb;
    }
    return {
      ...{ bytes, keptBytes: (keptKb - startKb) * 1_024 },
      ...{ statements: after.statements - before.statements, commits: after.commits - before.commits },
      // The log of collections is written, too.
      writtenBytes: after.writtenBytes - before.writtenBytes - (after.logBytes - before.logBytes),
    };
  };
  /**
   * The second least of several rounds, before which there was one to get warm: what disturbs a round adds to it, often a third,
   * and a collection that is not in the log yet takes from one.
   */
  const usual = async (work: () => Promise<unknown>): Promise<Cost> => {
    const costs: Cost[] = [];
    await work();
    for (let round = 0; round < ROUNDS; round += 1) costs.push(await cost(work));
    return costOf((name) => secondLeastOf(costs.map((one) => one[name])));
  };
  /** Of one piece of work: what many cost more than few, so that what looking itself costs is not in it. */
  const each = async (few: number, many: number, work: (count: number) => Promise<unknown>) => {
    const [less, more] = [await usual(() => work(few)), await usual(() => work(many))];
    const of = (name: keyof Cost) => (more[name] - less[name]) / (many - few);
    return costOf(of);
  };
  const ask = asking(router);
  const conversations = await router.conversations(STREAMS);
  const recorded = (index: number) => ({ 'x-conversation-id': conversations[index] ?? '' });
  const oneByOne = (headers: Record<string, string>) =>
    each(TIMES, TIMES * 3, async (count) => {
      for (let done = 0; done < count; done += 1) await ask(undefined, headers);
    });
  const perChunk = async (headers: (index: number) => Record<string, string>, more: Partial<Script> = {}) => {
    const together = (chunks: number) =>
      Promise.all(Array.from({ length: STREAMS }, (_, index) => ask({ ...STREAM, ...more, chunks }, headers(index))));
    return (await each(20, 320, together)).bytes / STREAMS;
  };
  // At the same time and many, so that what the router does by its clocks meanwhile is little beside them.
  const request = await each(...REQUESTS, async (count) => {
    for (let done = 0; done < count; done += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, () => ask()));
  });
  // Before anything is recorded: the search index follows what was recorded for seconds, and adds to what is counted then.
  const chunkBytes = await perChunk(() => ({}));
  const agentChunkBytes = await perChunk(() => ({}), { viaBroker: true });
  const turn = await oneByOne(recorded(0));
  return {
    requestBytes: request.bytes,
    requestStatements: request.statements,
    turnBytes: turn.bytes,
    turnStatements: turn.statements,
    turnCommits: turn.commits,
    turnWrittenBytes: turn.writtenBytes,
    chunkBytes,
    recordedChunkBytes: await perChunk(recorded),
    agentChunkBytes,
    streamKeptBytes: await keptByStream(router, cost),
    pageBytes: await pageBytes(router),
  };
}

function secondLeastOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[1] ?? Number.NaN;
}

function costOf(of: (name: keyof Cost) => number): Cost {
  return {
    ...{ bytes: of('bytes'), keptBytes: of('keptBytes'), statements: of('statements'), commits: of('commits') },
    writtenBytes: of('writtenBytes'),
  };
}

/**
 * The collections of the router's own thread, which is the first that collects. The log has the lines of all threads, and the
 * line of one may be written in the middle of that of another, which then goes on behind it.
 */
function collectionsOf(log: string): readonly { readonly grownKb: number; readonly leftKb: number }[] {
  const interrupted: string[] = [];
  let [own, writing, ownLines] = ['', '', ''];
  for (const [part] of log.matchAll(PARTS)) {
    if (part.startsWith('[GC<')) {
      if (writing) interrupted.push(writing);
      writing = part;
      own ||= part;
    }
    if (writing === own) ownLines += part;
    if (part.startsWith('\n')) writing = interrupted.pop() ?? '';
  }
  return [...ownLines.matchAll(COLLECTION)].map(([, grown, left]) => ({
    grownKb: Number(grown),
    leftKb: Number(left),
  }));
}

function asking({ server, key }: RouterUnderTest) {
  return async (script?: Script, headers: Record<string, string> = {}, signal?: AbortSignal) => {
    const response = await fetch(server.url + CHAT_PATH, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: chatBody(script),
      signal: signal ?? null,
    });
    if (!signal) await response.bytes();
  };
}

/** Of streams that are open and have had their first chunk. */
async function keptByStream(
  router: RouterUnderTest,
  cost: (work: () => Promise<unknown>) => Promise<Cost>,
): Promise<number> {
  const ask = asking(router);
  const kept: number[] = [];
  for (let round = 0; round < KEPT_ROUNDS; round += 1) {
    const leave = new AbortController();
    const open = () => Promise.all(Array.from({ length: STREAMS }, () => ask(OPEN, {}, leave.signal)));
    kept.push((await cost(open)).keptBytes);
    leave.abort();
    while ((await router.runnerStats()).open > 0) await Bun.sleep(50);
  }
  return secondLeastOf(kept) / STREAMS;
}

async function pageBytes(router: RouterUnderTest): Promise<number> {
  const id = await router.askInPage({ chunks: 0, paceMs: 5, chunkBytes: 0, text: 'prose' });
  const page = await watch(router, id);
  let seen = -1;
  while (seen !== page.bytes || (await router.runnerStats()).open > 0) {
    seen = page.bytes;
    await Bun.sleep(500);
  }
  page.socket.terminate();
  return page.bytes;
}

if (import.meta.main) {
  const counts = await countAll();
  for (const [name, count] of Object.entries(counts)) {
    process.stdout.write(`${COUNTS[name as keyof Counts]}: ${Math.round(count).toLocaleString('en')}\n`);
  }
  await endAll();
}
