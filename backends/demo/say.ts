import { setTimeout as sleep } from 'node:timers/promises';
import type { Pieces } from '../shared/chat';

/**
 * A word with the space before it. Text without spaces, such as Chinese, is split after 24 characters, so that it
 * streams too.
 */
const WORDS = /(?<!\s)\s*\S{1,24}|(?<!\s)\s+/gu;

/** Yields a text word by word, with a pause of `paceMs` after each word. Rejects as soon as the signal aborts. */
export async function* say(text: string, paceMs: number, signal: AbortSignal): Pieces {
  for (const word of text.match(WORDS) ?? []) {
    yield { text: word };
    await sleep(paceMs, undefined, { signal });
  }
}
