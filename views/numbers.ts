/** Formats numbers and days for people, in the language of the page. */
import { useFormats } from './render';

/** From here on only the first digits are shown: `123K`, `1.23M`. */
const COMPACT_FROM = 100_000;
/** Below this an amount of money is shown with its first digits, because two decimals would be 0.00. */
const CENT = 0.01;

const BYTE_UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'];
const TIME_UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

/** All Chinese texts have a space between a number and a word. Intl has none. */
const spaced = (text: string) => text.replace(/(\d)(?=\p{Script=Han})/gu, '$1 ');

function make(locale: string) {
  const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const compact = new Intl.NumberFormat(locale, { notation: 'compact', maximumSignificantDigits: 3 });
  const money = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const price = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 6 });
  const smallMoney = new Intl.NumberFormat(locale, { maximumSignificantDigits: 2 });
  const percent = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 });
  const rate = new Intl.NumberFormat(locale, { style: 'percent', maximumSignificantDigits: 2 });
  const day = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', timeZone: 'UTC' });
  const bytes = BYTE_UNITS.map(
    (unit) =>
      new Intl.NumberFormat(locale, {
        style: 'unit',
        unit,
        unitDisplay: unit === 'byte' ? 'long' : 'short',
        maximumSignificantDigits: 3,
      }),
  );
  // In Chinese the long words for times are those of a clock: 秒钟.
  const unitDisplay = locale.startsWith('zh') ? 'short' : 'long';
  const times = TIME_UNITS.map(
    ([unit, unitMs]) => [unitMs, new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay })] as const,
  );
  return {
    /** In units of 1,024, as limits of memory have them. */
    bytes: (amount: number) => {
      const exponent = amount < 1024 ? 0 : Math.min(Math.floor(Math.log2(amount) / 10), BYTE_UNITS.length - 1);
      return spaced(bytes[exponent]?.format(amount / 1024 ** exponent) ?? '');
    },
    /** In the largest unit of which it has at least one: `2 hours`. */
    duration: (ms: number) => {
      const [unitMs, format] = times.find(([size]) => ms >= size) ?? times.at(-1) ?? [1, whole];
      return spaced(format.format(Math.floor(ms / unitMs)));
    },
    count: (amount: number) => (amount < COMPACT_FROM ? whole : compact).format(amount),
    /** In the administrator's currency. */
    money: (amount: number) => (amount > 0 && amount < CENT ? smallMoney : money).format(amount),
    /** Prices of tokens have more digits than amounts that were spent. */
    price: (amount: number) => price.format(amount),
    /** @param share 0 to 1. */
    percent: (share: number) => percent.format(share),
    /** A share of which small ones matter: `0.24%`. */
    rate: (share: number) => rate.format(share),
    /** @param day such as `2026-11-22`. */
    day: (date: string) => day.format(Date.parse(date)),
  };
}

const made = new Map<string, Numbers>();
/** The tags come from browsers, so there may be any number. */
const MADE_MAX = 32;

export type Numbers = ReturnType<typeof make>;

/** Number formats of the reader's language and region. */
export function useNumbers(): Numbers {
  const formats = useFormats();
  const known = made.get(formats) ?? make(formats);
  if (made.size >= MADE_MAX) made.clear();
  made.set(formats, known);
  return known;
}
