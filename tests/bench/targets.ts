/** What the numbers should be, and whether they are. */
import { ON_BUN, ON_NODE } from './portkey';
import { median, type Place, type Results } from './results';
import { ABORTS } from './scenarios/aborts';
import { DATA } from './scenarios/data';
import { REQUESTS } from './scenarios/requests';
import { SLOW_READER } from './scenarios/slow-reader';
import { BY_ITSELF, COLD_START, START_UP, THROUGH_ROUTER } from './scenarios/start';
import { FLAT_OUT, PACED } from './scenarios/streams';
import { FLOOR, ROUTER } from './subjects';

interface Target {
  readonly text: string;
  readonly goal: string;
  readonly digits: number;
  /** NaN when it was not measured. */
  measured(results: Results): number;
  isMet(value: number): boolean;
}

export interface Verdict {
  readonly text: string;
  readonly goal: string;
  readonly value: string;
  readonly isMet: boolean;
}

const atLeast = (bound: number) => ({ goal: `≥ ${bound}`, isMet: (value: number) => value >= bound });
const atMost = (bound: number, unit = '') => ({ goal: `≤ ${bound}${unit}`, isMet: (value: number) => value <= bound });
const below = (bound: number, unit: string) => ({
  goal: `< ${bound} ${unit}`,
  isMet: (value: number) => value < bound,
});

const router = (table: string, load = ''): Place => ({ table, load, subject: ROUTER });
const requestsOver = (other: string) => (results: Results) =>
  median(results.ratio(router(REQUESTS, '64'), 'perSecond', other));
const cpuOverFloor = (table: string) => (results: Results) => {
  const busy = results.places(table).filter(({ subject, load }) => subject === ROUTER && load !== '1');
  const ratios = busy.map((place) => median(results.ratio(place, 'cpuMs', FLOOR)));
  return ratios.length === 0 ? Number.NaN : Math.max(...ratios);
};
const firstByte = (metric: string) => (results: Results) => median(results.added(router(PACED, '64'), metric));
const metric = (place: Place, name: string) => (results: Results) => median(results.values(place, name));

const targets: readonly Target[] = [
  { text: 'requests/s at 64 connections, × floor', digits: 2, ...atLeast(0.7), measured: requestsOver(FLOOR) },
  { text: 'the same, × Portkey on Bun', digits: 1, ...atLeast(6), measured: requestsOver(ON_BUN) },
  { text: 'the same, × Portkey on Node', digits: 1, ...atLeast(40), measured: requestsOver(ON_NODE) },
  { text: 'CPU per chunk, paced, × floor (worst load)', digits: 2, ...atMost(1.4), measured: cpuOverFloor(PACED) },
  {
    text: 'CPU per chunk, flat out, × floor (worst load)',
    digits: 2,
    ...atMost(1.4),
    measured: cpuOverFloor(FLAT_OUT),
  },
  {
    text: 'added first byte at 64 streams, p50',
    digits: 2,
    ...below(0.5, 'ms'),
    measured: firstByte('firstByteP50Ms'),
  },
  { text: 'added first byte at 64 streams, p99', digits: 2, ...below(2, 'ms'), measured: firstByte('firstByteP99Ms') },
  {
    text: 'memory with 1,000 open streams',
    digits: 0,
    ...below(250, 'MB'),
    measured: metric(router(PACED, '1,000'), 'rssMb'),
  },
  {
    text: 'memory after all aborts, growth',
    digits: 1,
    ...atMost(10, ' %'),
    measured: metric(router(ABORTS), 'growthPercent'),
  },
  {
    text: 'memory for a slow reader',
    digits: 2,
    ...below(1, 'MB'),
    measured: metric(router(SLOW_READER), 'perStreamMb'),
  },
  { text: 'start-up', digits: 0, ...below(500, 'ms'), measured: metric(router(START_UP), 'startMs') },
  { text: 'memory when idle', digits: 0, ...below(120, 'MB'), measured: metric(router(START_UP), 'idleMb') },
  {
    text: 'CPU of a page or an answer on a large database (the dearest)',
    digits: 1,
    ...below(20, 'ms'),
    measured: (results) => {
      const all = results.places(DATA).map((place) => median(results.values(place, 'cpuMs')));
      return all.length === 0 ? Number.NaN : Math.max(...all);
    },
  },
  {
    text: 'added to a cold start',
    digits: 0,
    ...below(150, 'ms'),
    measured: (results) => {
      const place = router(COLD_START);
      const alone = median(results.values({ ...place, subject: BY_ITSELF }, 'ms'));
      return median(results.values({ ...place, subject: THROUGH_ROUTER }, 'ms')) - alone;
    },
  },
];

/** One for each target that was measured, by the median of the rounds. */
export function verdicts(results: Results): readonly Verdict[] {
  return targets.flatMap(({ text, goal, digits, measured, isMet }) => {
    const value = measured(results);
    return Number.isNaN(value) ? [] : [{ text, goal, value: value.toFixed(digits), isMet: isMet(value) }];
  });
}
