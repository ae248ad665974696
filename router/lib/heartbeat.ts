/**
 * One timer for all requests under way: a timer for each costs more than the work at each tick. The requests take turns within
 * a second, because the beats of a thousand streams at once block the event loop for 2 ms (docs/performance-notes.md).
 */
import { type IndexedMember, IndexedSet } from './indexed-set';
import { safely } from './safely';
import { steadyMs } from './time';

const TICK_MS = 100;
/** The members are divided into these groups, of which one beats at each tick. */
const GROUPS = 10;

export interface Beating extends IndexedMember {
  /** Its group. Only this file writes it. */
  group?: IndexedSet<Beating> | undefined;
  /** @param nowMs the time of `steadyMs()`. */
  beat(nowMs: number): void;
}

const groups = Array.from({ length: GROUPS }, () => new IndexedSet<Beating>());
let clock: ReturnType<typeof setInterval> | undefined;
/** How many members have been added so far. Distributes them over the groups. */
let count = 0;
let lastMs = 0;

/** The time of the last tick, by `steadyMs()`, while anything beats: up to a tenth of a second old, but free to read. */
export function lastTickMs(): number {
  return lastMs;
}

/** Calls `one.beat()` every second until `stopBeat(one)`. */
export function startBeat(one: Beating): void {
  if (one.place !== undefined) return;
  count += 1;
  one.group = groups[count % GROUPS];
  one.group?.add(one);
  if (clock) return;
  lastMs = steadyMs();
  clock = setInterval(tick, TICK_MS);
}

export function stopBeat(one: Beating): void {
  one.group?.delete(one);
}

function tick(): void {
  const before = Math.floor(lastMs / TICK_MS);
  lastMs = steadyMs();
  const now = Math.floor(lastMs / TICK_MS);
  // A late tick also beats the groups whose turns were missed. A clock that was set back, as in tests, has missed none.
  const first = Math.max(now < before ? now : before + 1, now - GROUPS + 1);
  for (let turn = first; turn <= now; turn += 1) beatAll(groups[turn % GROUPS]?.toArray() ?? []);
  if (groups.some(({ size }) => size > 0)) return;
  clearInterval(clock);
  clock = undefined;
}

function beatAll(all: readonly Beating[]): void {
  for (const one of all) if (one.place !== undefined) safely('beat', {}, () => one.beat(lastMs));
}
