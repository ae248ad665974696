/**
 * The times of a schedule: a cron expression of five fields (https://en.wikipedia.org/wiki/Cron) in a time zone, or a
 * phrase for the usual ones, such as "every weekday at 8". Croner finds the times, also where clocks are changed: a time
 * that is skipped in spring comes as soon as the clock has been changed, and one that comes twice in autumn counts once.
 */
import { Cron } from 'croner';
import { AppError } from '../lib/errors';

const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const PHRASE = /^every (hour|[a-z, ]+?)(?: at (\d{1,2})(?::(\d{2}))? ?(am|pm)?)?$/;
/** Croner knows more, such as seconds, years and nicknames. */
const CRON = /^[\d*?][\dA-Za-z*,/#?-]*( [\dA-Za-z*,/#?-]+){4}$/;
const CRON_LENGTH_MAX = 100;
/** Characters that are looked at at all. */
const TYPED_LENGTH_MAX = 1_000;
/**
 * Years in which a time is searched for: after 28 each day of the year has been each day of the week. Without an end
 * Croner would search 8,000 years, for 50 ms, for the 30th of February.
 */
const YEARS = 28;
/** How many times in a row are compared to find the shortest time between two. */
const TIMES_CHECKED = 25;

const NO_TIMES =
  'Not understood. Say for example "every weekday at 8", "every hour" or "every monday and friday at 17:30", or a cron expression such as "0 8 * * 1-5"';

/** A schedule in the words of a form. */
interface SimpleTimes {
  /** `hour`, `day`, `weekday`, or the English name of a day of the week in lower case. */
  readonly every: string;
  /** Such as `08:30`; for every hour its minute, such as `00:30`. */
  readonly time: string;
}

/**
 * The cron expression of what was typed. Throws `invalid_fields` for `when` if it is neither a phrase nor five fields;
 * `requireTimes` finds out whether the fields make sense.
 */
export function cronOf(typed: string): string {
  if (typed.length > TYPED_LENGTH_MAX) throw refused('when', NO_TIMES);
  const text = typed.trim().replace(/\s+/g, ' ');
  const cron = cronOfPhrase(text.toLowerCase()) ?? text;
  if (cron.length > CRON_LENGTH_MAX || !CRON.test(cron)) throw refused('when', NO_TIMES);
  return cron;
}

function cronOfPhrase(text: string): string | undefined {
  const [, every, hour, minute = '0', half] = PHRASE.exec(text) ?? [];
  if (every === undefined) return undefined;
  if (every === 'hour') return hour === undefined ? '0 * * * *' : undefined;
  const days = daysOf(every);
  if (days === undefined || hour === undefined) return undefined;
  const isValid = Number(minute) < 60 && (half ? Number(hour) >= 1 && Number(hour) <= 12 : Number(hour) < 24);
  if (!isValid) return undefined;
  const hours = half ? (Number(hour) % 12) + (half === 'pm' ? 12 : 0) : Number(hour);
  return `${Number(minute)} ${hours} * * ${days}`;
}

/** The field for days of the week. */
function daysOf(words: string): string | undefined {
  if (words === 'day') return '*';
  if (words === 'weekday') return '1-5';
  const numbers = words.split(/, and |, | and /).map((word) => DAYS.indexOf(word));
  return numbers.includes(-1) ? undefined : [...new Set(numbers)].sort().join(',');
}

/** A cron expression in the words of a form; undefined where they do not suffice. */
export function simpleTimes(cron: string): SimpleTimes | undefined {
  const [, minute = '', hour = '', days = ''] = /^(\d{1,2}) (\d{1,2}|\*) \* \* (\*|1-5|[0-6])$/.exec(cron) ?? [];
  if (minute === '') return undefined;
  const two = (digits: string) => digits.padStart(2, '0');
  if (hour === '*') return days === '*' ? { every: 'hour', time: `00:${two(minute)}` } : undefined;
  const every = days === '*' ? 'day' : days === '1-5' ? 'weekday' : (DAYS[Number(days)] ?? '');
  return { every, time: `${two(hour)}:${two(minute)}` };
}

/** What `cronOf` reads of the words of a form. */
export function phraseOf({ every, time }: SimpleTimes): string {
  return every === 'hour' ? `${Number(time.split(':')[1] ?? 0) || 0} * * * *` : `every ${every} at ${time}`;
}

/** The first time after `afterMs`, in milliseconds since the epoch; undefined if there is none. */
export function nextTime(cron: string, timeZone: string, afterMs: number): number | undefined {
  return timesOf(cron, timeZone, afterMs).nextRun(new Date(afterMs))?.getTime();
}

/**
 * Throws `invalid_fields` for `when` and `time_zone`: what is no time, never comes, or comes more often than every
 * `gapMs`.
 */
export function requireTimes(cron: string, timeZone: string, { afterMs, gapMs }: { afterMs: number; gapMs: number }) {
  let times: readonly Date[];
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch {
    throw refused('time_zone', 'There is no such time zone. Say for example Europe/Berlin, America/New_York or UTC');
  }
  try {
    times = timesOf(cron, timeZone, afterMs).nextRuns(1, new Date(afterMs));
  } catch {
    throw refused('when', NO_TIMES);
  }
  if (times.length === 0) throw refused('when', 'This time never comes');
  if (shortestGapMs(cron, afterMs) < gapMs) {
    throw refused('when', `At most every ${Math.ceil(gapMs / 60_000)} minutes`);
  }
}

/** The shortest time between two runs on days without a change of the clock: a day of 23 hours must not refuse a daily schedule. */
function shortestGapMs(cron: string, afterMs: number): number {
  const times = timesOf(cron, 'UTC', afterMs)
    .nextRuns(TIMES_CHECKED, new Date(afterMs))
    .map((time) => time.getTime());
  return Math.min(...times.slice(1).map((time, index) => time - (times[index] ?? 0)));
}

function timesOf(cron: string, timezone: string, afterMs: number): Cron {
  // West of Greenwich it may still be the year before.
  const year = new Date(afterMs).getUTCFullYear();
  return new Cron(`0 ${cron} ${year - 1}-${year + YEARS}`, { timezone, mode: '7-part', paused: true });
}

function refused(field: string, problem: string): AppError {
  return new AppError('invalid_fields', { fields: { [field]: problem } });
}
