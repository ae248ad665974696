import type { Text } from '../locales';

const DAY_MS = 86_400_000;

/**
 * Under which heading a moment stands: a day near to now, or a month. In UTC; `dayOf` in app/conversations.js does the same in
 * local time.
 */
export function dayOf(words: Text['days'], atMs: number, nowMs: number): string {
  const daysAgo = Math.floor(nowMs / DAY_MS) - Math.floor(atMs / DAY_MS);
  if (daysAgo <= 0) return words.today;
  if (daysAgo === 1) return words.yesterday;
  if (daysAgo <= 7) return words.week;
  return words.month(new Date(atMs));
}
