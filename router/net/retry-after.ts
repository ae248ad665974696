/** Reads the header `Retry-After` (RFC 9110, 10.2.3): seconds or a date. */
import type { AnswerHeaders } from './outgoing';

/** Milliseconds from now, at least 0; undefined where the header is missing or cannot be read. */
export function retryAfterMs(headers: AnswerHeaders): number | undefined {
  const text = headers.get('retry-after')?.trim() ?? '';
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
