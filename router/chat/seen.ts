/** What a page of a conversation has, as it tells the live stream when it connects, and as the id of each event. */
import type { HadText } from '../web/rendering';

/** Messages up to `position`, and of that one, while it is being written, `growing`. */
export interface Seen {
  readonly position: number;
  /** `undefined` when the newest message is there whole. */
  readonly growing: HadText | undefined;
}

/** `7`; while message 7 is being written, `7.120.180`: 180 characters are there, 120 of them settled; or `7.plain.180`. */
export function formatSeen({ position, growing }: Seen): string {
  return growing ? `${position}.${growing.isPlain ? 'plain' : growing.settled}.${growing.shown}` : `${position}`;
}

export function parseSeen(value: string | null | undefined): Seen | undefined {
  const found = /^(\d{1,15})(?:\.(\d{1,15}|plain)\.(\d{1,15}))?$/.exec(value ?? '');
  if (!found) return undefined;
  const [, position, settled, shown] = found;
  const isPlain = settled === 'plain';
  const growing = { settled: isPlain ? 0 : Number(settled), shown: Number(shown), isPlain };
  return { position: Number(position), growing: settled === undefined ? undefined : growing };
}
