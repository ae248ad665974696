import { useText } from '../render';

/** A moment in UTC, which app/times.js rewrites in the reader's own time zone and language. */
export function Time({ ms }: { ms: number }) {
  const t = useText();
  const iso = new Date(ms).toISOString();
  return <time datetime={iso}>{t.time.utc(iso.slice(0, 16).replace('T', ' '))}</time>;
}
