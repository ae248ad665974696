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

/** Calls `one.beat()` every second until `stopBeat(one)`. */
export function startBeat(one: Beating): void {
  beating.add(one);
  clock ??= setInterval(() => {
    const nowMs = steadyMs();
    for (const each of beating.toArray()) if (each.place !== undefined) safely('beat', {}, () => each.beat(nowMs));
    if (beating.size > 0) return;
    clearInterval(clock);
    clock = undefined;
  }, TICK_MS);
}

export function stopBeat(one: Beating): void {
  beating.delete(one);
}
