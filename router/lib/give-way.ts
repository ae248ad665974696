/** The priority of worker threads whose work can wait. */
import { getPriority, setPriority } from 'node:os';

/**
 * Steps of niceness. With ten of them a thread gets a tenth of what a competitor gets: it is out of the way at once, and on a
 * machine that is busy with other things its work still goes on.
 */
const NICER_BY = 10;
const NICEST = 19;

/**
 * Has the kernel prefer every other thread of the router to the worker thread that calls it, so that streams keep their pace.
 * On Linux only: on other systems it would be of the whole process.
 */
export function giveWay(): void {
  try {
    if (process.platform === 'linux') setPriority(0, Math.min(NICEST, getPriority(0) + NICER_BY));
  } catch {
    // A sandbox may forbid it. The work is done all the same.
  }
}
