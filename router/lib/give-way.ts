/** The priority of worker threads whose work can wait. */
import { getPriority, setPriority } from 'node:os';

/**
 * Steps of niceness. With ten of them a thread gets a tenth of the CPU time of a competitor: it hardly delays the others, and
 * still makes progress on a busy machine.
 */
const NICER_BY = 10;
const NICEST = 19;

/**
 * Lowers the priority of the worker thread that calls it below that of all other threads of the router, so that streams keep
 * their pace. On Linux only: on other systems it would lower that of the whole process.
 */
export function giveWay(): void {
  try {
    if (process.platform === 'linux') setPriority(0, Math.min(NICEST, getPriority(0) + NICER_BY));
  } catch {
    // A sandbox may forbid it. The thread then works at the usual priority.
  }
}
