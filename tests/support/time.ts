/** Time that passes at once, for what measures durations. Dates stay as they are. */
import { spyOn } from 'bun:test';

let spy: ReturnType<typeof spyOn<typeof performance, 'now'>> | undefined;
let passedMs = 0;

export function passTime(ms: number): void {
  passedMs += ms;
  if (spy) return;
  const real = performance.now.bind(performance);
  spy = spyOn(performance, 'now').mockImplementation(() => real() + passedMs);
}

/** As if no time had been passed. To be called after each test that does. */
export function restoreTime(): void {
  spy?.mockRestore();
  spy = undefined;
  passedMs = 0;
}
