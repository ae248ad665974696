/** The clock of all requests under way. */
import { afterEach, expect, test } from 'bun:test';
import { type Beating, startBeat, stopBeat } from '../../router/lib/heartbeat';
import { until } from '../support/router';
import { passTime, restoreTime } from '../support/time';

const COUNT = 25;
let all: readonly (Beating & { beats: number })[] = [];

afterEach(() => {
  for (const one of all) stopBeat(one);
  restoreTime();
});

function begun(onBeat: (one: { beats: number }) => void = () => undefined) {
  all = Array.from({ length: COUNT }, () => ({
    beats: 0,
    beat() {
      this.beats += 1;
      onBeat(this);
    },
  }));
  for (const one of all) startBeat(one);
  return all;
}

test('a second that passes at once makes everybody beat, each once', async () => {
  const beats: number[] = [];
  begun(({ beats: count }) => beats.push(count));
  passTime(60_000);
  await until(() => beats.length >= COUNT, 'everybody has beaten');
  expect(beats.slice(0, COUNT)).toEqual(Array(COUNT).fill(1));
});

test('everybody beats again and again, also when the clock is set back', async () => {
  const beating = begun();
  passTime(60_000);
  await until(() => beating.every((one) => one.beats > 0), 'everybody has beaten');
  restoreTime();
  await until(() => beating.every((one) => one.beats > 1), 'everybody has beaten again');
});

test('who has stopped beats no more, and the others go on', async () => {
  const beating = begun();
  const [first, ...others] = beating;
  if (first) stopBeat(first);
  passTime(60_000);
  await until(() => others.every((one) => one.beats > 0), 'the others have beaten');
  expect(first?.beats).toBe(0);
});
