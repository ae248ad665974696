/**
 * What the router's work costs, by counts that a busy machine does not change. Each bound is 1.2 to 1.6 times what was counted
 * when it was set, so that a cost that doubles fails here. Set one lower when its cost has fallen: `bun tests/bench/counts.ts`
 * prints them all.
 */
import { expect, test } from 'bun:test';
import { COUNTS, type Counts, countAll } from '../bench/counts';

const MOST: Counts = {
  requestBytes: 20_000,
  requestStatements: 0,
  turnBytes: 58_000,
  turnStatements: 8,
  turnCommits: 1,
  turnWrittenBytes: 55_000,
  chunkBytes: 1_750,
  recordedChunkBytes: 3_400,
  agentChunkBytes: 3_200,
  streamKeptBytes: 8_000,
  pageBytes: 24_000,
};
const TIMEOUT_MS = 240_000;

/** What the router does by its clocks meanwhile, such as looking at the log of the database, is a few hundredths of a statement each. */
const inTenths = (count: number) => Math.round(count * 10) / 10;

test(
  'no request, turn, chunk, stream or page costs twice what it did',
  async () => {
    const counts = await countAll();
    const names = Object.keys(COUNTS) as (keyof Counts)[];
    const dearer = names.filter((name) => !(inTenths(counts[name]) <= MOST[name]));
    expect(dearer.map((name) => `${COUNTS[name]}: ${Math.round(counts[name])}, at most ${MOST[name]}`)).toEqual([]);
  },
  TIMEOUT_MS,
);
