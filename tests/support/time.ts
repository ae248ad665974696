/** Time that passes at once, for what measures durations. Dates stay as they are. */
import { spyOn } from 'bun:test';

let spy: ReturnType<typeof spyOn<typeof performance, 'now'>> | undefined;
let passedMs = 0;
let heldAtMs: number | undefined;

export function passTime(ms: number): void {
  passedMs += ms;
  if (spy) return;
  const real = performance.now.bind(performance);
  spy = spyOn(performance, 'now').mockImplementation(() => (heldAtMs ?? real()) + passedMs);
}

/** From now on only the time passes that `passTime` passes: nothing is late on a busy machine. */
export function holdTime(): void {
  heldAtMs = performance.now();
  passTime(0);
}

/** As if no time had been passed or held. To be called after each test that does. */
export function restoreTime(): void {
  spy?.mockRestore();
  spy = undefined;
  passedMs = 0;
  heldAtMs = undefined;
}
