/**
 * Work of many connections that is done together, behind the callbacks of all sockets of one turn of the event loop. After
 * each callback Bun runs the microtasks, and with them all that follows from an answer; and a write of its own wakes each
 * reader. Together they cost a request a tenth less (docs/performance-notes.md).
 */
import { safely } from '../../lib/safely';

export interface InTurn {
  /** Whether it is in the queue; false at first. Set by `awaitTurn`; `turn` unsets it. */
  isWaiting: boolean;
  turn(): void;
  /** Called with what `turn` throws. */
  closed(cause: unknown): void;
}

let waiting: InTurn[] = [];
/** The other of two lists, so that a turn makes none. */
let taken: InTurn[] = [];

/** Calls `one.turn()` soon, in the order of the calls; at most once, however often it is called before. */
export function awaitTurn(one: InTurn): void {
  if (one.isWaiting) return;
  one.isWaiting = true;
  if (waiting.push(one) === 1) setImmediate(takeTurns);
}

function takeTurns(): void {
  const turns = waiting;
  waiting = taken;
  taken = turns;
  for (const one of taken) {
    try {
      one.turn();
    } catch (cause) {
      broke(one, cause);
    }
  }
  taken.length = 0;
}

/**
 * The reader of a body threw `cause`: its answer breaks off, and no other one. A function of its own, since a closure in a loop makes
 * each turn a scope.
 */
function broke(one: InTurn, cause: unknown): void {
  safely('turn', {}, () => one.closed(cause));
}
