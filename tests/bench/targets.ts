/** What the numbers should be, and whether they are. */
import { ON_BUN, ON_NODE } from './portkey';
import { median, type Place, type Results } from './results';
import { ABORTS } from './scenarios/aborts';
import { AGENTS, BOTH_WAYS } from './scenarios/agents';
import { AGREE } from './scenarios/agree';
import { CODE, LINES, OPENING, PAINT, SCROLL, STATIC } from './scenarios/browser';
import { DATA, DATA_START } from './scenarios/data';
import { DEMO, IDLE_TIER, PAUSED, STOPPED, WARM } from './scenarios/idle-tier';
import { PAGE } from './scenarios/page';
import { REQUESTS } from './scenarios/requests';
import { SIGN_INS } from './scenarios/sign-ins';
import { SLOW_READER } from './scenarios/slow-reader';
import { BY_ITSELF, COLD_START, START_UP, THROUGH_ROUTER } from './scenarios/start';
import { FLAT_OUT, PACED } from './scenarios/streams';
import { FLOOR, RECORDED, ROUTER } from './subjects';

interface Target {
  readonly text: string;
  readonly goal: string;
  readonly digits: number;
  /** NaN when it was not measured. */
  measured(results: Results): number;
  isMet(value: number): boolean;
}

interface Verdict {
  readonly text: string;
  readonly goal: string;
  readonly value: string;
  readonly isMet: boolean;
}

type Measured = Target['measured'];

const target = (text: string, digits: number, bound: Pick<Target, 'goal' | 'isMet'>, measured: Measured): Target => ({
  text,
  digits,
  ...bound,
  measured,
});
const atLeast = (bound: number) => ({ goal: `≥ ${bound}`, isMet: (value: number) => value >= bound });
const atMost = (bound: number, unit = '') => ({ goal: `≤ ${bound}${unit}`, isMet: (value: number) => value <= bound });
const below = (bound: number, unit: string) => ({
  goal: `< ${bound} ${unit}`,
  isMet: (value: number) => value < bound,
});

const place = (table: string, load = '', subject = ROUTER): Place => ({ table, load, subject });
/** The largest median of a table; NaN when nothing of it was measured. */
const dearest = (table: string, name: string) => (results: Results) => {
  const all = results.places(table).map((one) => median(results.values(one, name)));
  const measured = all.filter((value) => !Number.isNaN(value));
  return measured.length === 0 ? Number.NaN : Math.max(...measured);
};
/** A metric as it is, what it adds to none, and how often another's it is: the medians of the rounds. */
const metric = (where: Place, name: string) => (results: Results) => median(results.values(where, name));
const added = (where: Place, name: string) => (results: Results) => median(results.added(where, name));
const times =
  (where: Place, name: string, other = FLOOR) =>
  (results: Results) =>
    median(results.ratio(where, name, other));

const requests = (subject: string, other: string) => times(place(REQUESTS, '64', subject), 'perSecond', other);
const chunkCpu = (load: string, subject = ROUTER) => times(place(PACED, load, subject), 'cpuMs');
const flatOut = (load: string) => times(place(FLAT_OUT, load), 'cpuMs');
const recorded64 = place(PACED, '64', RECORDED);
const woken = place(IDLE_TIER, DEMO, PAUSED);
const bothWays = place(AGENTS, '256', BOTH_WAYS);

const targets: readonly Target[] = [
  target('requests/s at 64 connections, × floor', 2, atLeast(0.6), requests(ROUTER, FLOOR)),
  target('the same, × Portkey on Bun', 1, atLeast(5), requests(ROUTER, ON_BUN)),
  target('the same, × Portkey on Node', 1, atLeast(35), requests(ROUTER, ON_NODE)),
  target('recorded requests/s at 64 connections, × floor', 2, atLeast(0.4), requests(RECORDED, FLOOR)),
  target('the same, × Portkey on Bun', 1, atLeast(4), requests(RECORDED, ON_BUN)),
  target('CPU per chunk, 64 streams, × floor', 2, atMost(1.5), chunkCpu('64')),
  target('CPU per chunk, 1,000 streams, × floor', 2, atMost(1.3), chunkCpu('1,000')),
  target('CPU per recorded chunk, 64 streams, × floor', 2, atMost(1.8), chunkCpu('64', RECORDED)),
  target('CPU per chunk, flat out, 16 streams, × floor', 2, atMost(1.4), flatOut('16')),
  target('added first byte at 64 streams, p50', 2, below(0.5, 'ms'), added(place(PACED, '64'), 'firstByteP50Ms')),
  target('added first byte at 64 streams, p99', 2, below(2, 'ms'), added(place(PACED, '64'), 'firstByteP99Ms')),
  target('the same, recorded, p50', 2, below(0.5, 'ms'), added(recorded64, 'firstByteP50Ms')),
  target('the same, recorded, p99', 2, below(2, 'ms'), added(recorded64, 'firstByteP99Ms')),
  target('first byte at 1,000 streams, p50, × floor', 2, atMost(3), times(place(PACED, '1,000'), 'firstByteP50Ms')),
  target('longest delay added at 1,000 streams', 1, below(10, 'ms'), added(place(PACED, '1,000'), 'delayMaxMs')),
  target("CPU per agent's token, both ways, 256 agents, × floor", 2, atMost(2.6), times(bothWays, 'cpuUs')),
  target('the same, added delay, p99', 2, below(3, 'ms'), added(bothWays, 'delayP99Ms')),
  target(
    'longest delay of a chunk while 200 people sign in',
    1,
    below(20, 'ms'),
    metric(place(SIGN_INS, '200'), 'delayMaxMs'),
  ),
  target('memory for a slow reader, × floor', 2, below(1.2, '×'), times(place(SLOW_READER), 'perStreamMb')),
  target('memory after all aborts, growth', 1, atMost(10, ' %'), metric(place(ABORTS), 'growthPercent')),
  target('memory with 1,000 open streams', 0, below(140, 'MB'), metric(place(PACED, '1,000'), 'rssMb')),
  target('memory when idle', 0, below(85, 'MB'), metric(place(START_UP), 'idleMb')),
  target('start-up, of an empty database', 0, below(250, 'ms'), metric(place(START_UP), 'startMs')),
  target('start-up, of a large database', 0, below(250, 'ms'), metric(place(DATA_START), 'startMs')),
  target('the first page after that', 0, below(50, 'ms'), metric(place(DATA_START), 'pageMs')),
  target('CPU of a page or an answer on a large database (the dearest)', 1, below(20, 'ms'), dearest(DATA, 'cpuMs')),
  target('bytes that a growing answer sends, × its HTML (the dearest)', 1, below(3, '×'), dearest(PAGE, 'bytesRatio')),
  target('first contentful paint, × a static page', 2, atMost(1.3), times(place(PAINT), 'paintMs', STATIC)),
  target('its page over the wire', 1, below(60, 'KB'), metric(place(PAINT), 'wireKb')),
  target('a conversation of 2,000 messages is open', 0, below(1_000, 'ms'), metric(place(OPENING), 'openMs')),
  target('other pages show what one did (the longest)', 0, below(1_000, 'ms'), dearest(AGREE, 'maxMs')),
  target(
    'CPU per frame of a long conversation, × a static page',
    2,
    atMost(1.3),
    times(place(SCROLL), 'cpuPerFrameMs', STATIC),
  ),
  target(
    'longest task of a page while 5,000 lines arrive',
    1,
    below(16.7, 'ms'),
    metric(place(LINES, CODE), 'longestMs'),
  ),
  target('added to a cold start', 0, below(30, 'ms'), (results) => {
    const alone = median(results.values(place(COLD_START, '', BY_ITSELF), 'ms'));
    return median(results.values(place(COLD_START, '', THROUGH_ROUTER), 'ms')) - alone;
  }),
  target('an answer after a pause, × one after a stop', 2, atMost(0.1), times(woken, 'ms', STOPPED)),
  target('the same, added to one of a runner that was not paused', 0, below(100, 'ms'), (results) => {
    const warm = median(results.values({ ...woken, subject: WARM }, 'ms'));
    return median(results.values(woken, 'ms')) - warm;
  }),
];

/** One for each target that was measured, by the median of the rounds. */
export function verdicts(results: Results): readonly Verdict[] {
  return targets.flatMap(({ text, goal, digits, measured, isMet }) => {
    const value = measured(results);
    return Number.isNaN(value) ? [] : [{ text, goal, value: value.toFixed(digits), isMet: isMet(value) }];
  });
}
