/**
 * The state of a conversation's page: the page sends it when it connects, and each event has the new one as its id. What the
 * page lacks is found by conversation.tsx.
 */
import type { HadText } from '../../web/rendering/rendering';
import type { StepsSeen } from './steps';

/** Messages up to `position`, and of that one, while it is being written, `growing`. */
export interface Seen {
  readonly position: number;
  /** `undefined` when the newest message is there whole. */
  readonly growing: HadText | undefined;
  /** The steps of the message that is being written. */
  readonly steps?: StepsSeen;
}

/**
 * `7`; while message 7 is being written, `7.120.180`: 180 characters are there, 120 of them settled; or `7.plain.180`; with
 * two steps `7.120.180.2`.
 */
export function formatSeen({ position, growing, steps = 0 }: Seen): string {
  if (!growing) return `${position}`;
  return `${position}.${growing.isPlain ? 'plain' : growing.settled}.${growing.shown}${steps === 0 ? '' : `.${steps}`}`;
}

export function parseSeen(value: string | null | undefined): Seen | undefined {
  const found = /^(\d{1,15})(?:\.(\d{1,15}|plain)\.(\d{1,15})(?:\.(\d{1,3}|open))?)?$/.exec(value ?? '');
  if (!found) return undefined;
  const [, position, settled, shown, steps = '0'] = found;
  const isPlain = settled === 'plain';
  const growing = { settled: isPlain ? 0 : Number(settled), shown: Number(shown), isPlain };
  if (settled === undefined) return { position: Number(position), growing: undefined };
  return { position: Number(position), growing, steps: steps === 'open' ? steps : Number(steps) };
}
