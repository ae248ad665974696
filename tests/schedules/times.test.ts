import { describe, expect, test } from 'bun:test';
import { AppError } from '../../router/lib/errors';
import { cronOf, nextTime, phraseOf, requireTimes, simpleTimes } from '../../router/schedules/times';

/** A Friday. */
const AFTER = Date.parse('2026-11-27T12:00:00Z');

function problemsOf(work: () => unknown): Readonly<Record<string, string>> | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error.fields;
    throw error;
  }
  return undefined;
}

describe('the times of a schedule', () => {
  test.each([
    ['every day at 8', '0 8 * * *'],
    ['Every weekday at 8:30', '30 8 * * 1-5'],
    ['every  hour', '0 * * * *'],
    ['every monday at 17:05', '5 17 * * 1'],
    ['every friday and monday at 9', '0 9 * * 1,5'],
    ['every monday, wednesday and friday at 9', '0 9 * * 1,3,5'],
    ['every day at 8am', '0 8 * * *'],
    ['every day at 12 am', '0 0 * * *'],
    ['every day at 12:15 pm', '15 12 * * *'],
    ['every day at 8 PM', '0 20 * * *'],
    [' 0 8 * * MON-FRI ', '0 8 * * MON-FRI'],
  ])('%s is %s', (typed, cron) => expect(cronOf(typed)).toBe(cron));

  test.each([
    '',
    'tomorrow',
    'every day',
    'every day at 24',
    'every day at 13 pm',
    'every day at 8:60',
    'every hour at 8',
    'every someday at 8',
    '* * * *',
    '0 0 8 * * *',
    '@daily',
    `0 8 ${'1,'.repeat(60)}1 * *`,
  ])('"%s" is refused at its field', (typed) => {
    expect(problemsOf(() => cronOf(typed))?.when).toStartWith('Not understood.');
  });

  test.each([
    ['61 8 * * *', 'UTC', 'when', 'Not understood'],
    ['0 8 * * 9', 'UTC', 'when', 'Not understood'],
    ['0 0 30 2 *', 'UTC', 'when', 'never comes'],
    ['*/4 * * * *', 'UTC', 'when', 'every 5 minutes'],
    ['0,1 8 * * *', 'UTC', 'when', 'every 5 minutes'],
    ['0 8 * * *', 'Mars/Olympus', 'time_zone', 'no such time zone'],
    ['0 8 * * *', '', 'time_zone', 'no such time zone'],
  ])('%s in "%s" is refused: %s', (cron, zone, field, words) => {
    const problems = problemsOf(() => requireTimes(cron, zone, { afterMs: AFTER, gapMs: 300_000 }));
    expect(problems?.[field]).toContain(words);
  });

  test('they are those of the time zone, also where its clocks are changed', () => {
    const times = (cron: string, zone: string, after: string) => {
      const next = nextTime(cron, zone, Date.parse(after));
      return next === undefined ? undefined : new Date(next).toISOString();
    };
    expect(times('0 8 * * 1-5', 'Europe/Berlin', '2026-11-27T12:00:00Z')).toBe('2026-11-30T07:00:00.000Z');
    expect(times('0 8 * * *', 'Asia/Kathmandu', '2026-11-27T12:00:00Z')).toBe('2026-11-28T02:15:00.000Z');
    expect(times('0 20 * * *', 'America/Los_Angeles', '2027-01-01T01:10:00Z')).toBe('2027-01-01T04:00:00.000Z');
    // Half past two does not exist in this night, and exists twice in that one.
    expect(times('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z')).toBe('2026-03-29T01:00:00.000Z');
    expect(times('30 2 * * *', 'Europe/Berlin', '2026-10-25T00:30:00Z')).toBe('2026-10-26T01:30:00.000Z');
  });

  test('what comes once a day may come after 23 hours, when clocks are changed', () => {
    const afterMs = Date.parse('2026-03-20T12:00:00Z');
    expect(
      problemsOf(() => requireTimes('0 8 * * *', 'Europe/Berlin', { afterMs, gapMs: 86_400_000 })),
    ).toBeUndefined();
  });

  test.each(['0 8 * * *', '30 8 * * 1-5', '5 17 * * 0', '15 * * * *'])(
    'a form shows %s in words, and reads them back',
    (cron) => {
      const simple = simpleTimes(cron);
      expect(simple && cronOf(phraseOf(simple))).toBe(cron);
    },
  );

  test.each(['0 8 1 * *', '*/10 * * * *', '0 8 * * 1,3', '0 8 * * MON'])('a form shows %s as it is', (cron) => {
    expect(simpleTimes(cron)).toBeUndefined();
  });
});
