/** One timer for all requests under way: a timer for each costs more than the work at each tick. */
import { type IndexedMember, IndexedSet } from './indexed-set';
import { safely } from './safely';
import { steadyMs } from './time';

const TICK_MS = 1_000;

export interface Beating extends IndexedMember {
  /** @param nowMs the time of `steadyMs()`. */
  beat(nowMs: number): void;
}

const beating = new IndexedSet<Beating>();
let clock: ReturnType<typeof setInterval> | undefined;
let tickMs = 0;

/** The time of the last tick, by `steadyMs()`, while anything beats: up to a second old, and for nothing. */
export function lastTickMs(): number {
  return tickMs;
}

/** Calls `one.beat()` every second until `stopBeat(one)`. */
export function startBeat(one: Beating): void {
  beating.add(one);
  if (clock) return;
  tickMs = steadyMs();
  clock = setInterval(tick, TICK_MS);
}

export function stopBeat(one: Beating): void {
  beating.delete(one);
}

function tick(): void {
  tickMs = steadyMs();
  for (const each of beating.toArray()) if (each.place !== undefined) safely('beat', {}, () => each.beat(tickMs));
  if (beating.size > 0) return;
  clearInterval(clock);
  clock = undefined;
}
