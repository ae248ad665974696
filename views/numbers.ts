// Formats numbers and days for people, in the language of the page.
import { useFormats } from './render';

/** From here on only the first digits are shown: `123K`, `1.23M`. */
const COMPACT_FROM = 100_000;
/** Below this an amount of money is shown with its first digits, because two decimals would be 0.00. */
const CENT = 0.01;

function make(locale: string) {
  const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const compact = new Intl.NumberFormat(locale, { notation: 'compact', maximumSignificantDigits: 3 });
  const money = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const price = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 6 });
  const smallMoney = new Intl.NumberFormat(locale, { maximumSignificantDigits: 2 });
  const percent = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 });
  const day = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', timeZone: 'UTC' });
  return {
    count: (amount: number) => (amount < COMPACT_FROM ? whole : compact).format(amount),
    /** In the administrator's currency. */
    money: (amount: number) => (amount > 0 && amount < CENT ? smallMoney : money).format(amount),
    /** Prices of tokens have more digits than amounts that were spent. */
    price: (amount: number) => price.format(amount),
    /** @param share 0 to 1. */
    percent: (share: number) => percent.format(share),
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
