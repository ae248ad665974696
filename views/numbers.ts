// Numbers and days as people read them, in the language of the page.
import { useLocale } from './render';

/** From here on a number is told by its first digits: `123K`, `1.23M`. */
const COMPACT_FROM = 100_000;
/** Below it an amount of money is told by its first digits, or it would read as nothing. */
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
    /** In whatever currency the administrator counts. */
    money: (amount: number) => (amount > 0 && amount < CENT ? smallMoney : money).format(amount),
    /** Prices of tokens have more digits than money that was spent. */
    price: (amount: number) => price.format(amount),
    /** @param share 0 to 1. */
    percent: (share: number) => percent.format(share),
    /** @param day such as `2026-11-22`. */
    day: (date: string) => day.format(Date.parse(date)),
  };
}

const made = new Map<string, Numbers>();

export type Numbers = ReturnType<typeof make>;

/** How numbers are written in the reader's language. */
export function useNumbers(): Numbers {
  const locale = useLocale();
  const known = made.get(locale) ?? make(locale);
  made.set(locale, known);
  return known;
}
