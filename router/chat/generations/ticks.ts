/** One clock for all answers that grow: a timer of each would wake the process for each, which costs more than its work. */
import { safely } from '../../lib/safely';

/** Milliseconds between two parses of the received bytes, after which watchers see the text grow. */
const TICK_MS = 50;
/** The longest that one turn of the event loop works on answers. The others follow in the next turn. */
const TURN_MS = 2;

type Work = () => void;

const ticking: Work[] = [];
let due: Work[] = [];

/** Has `work` called once, at the next tick: at most `TICK_MS` from now, and what waits before it. */
export function tickSoon(work: Work): void {
  if (ticking.push(work) === 1) setTimeout(ticked, TICK_MS);
}

/** Has `work` called in a turn of the event loop, so that many of them do not hold it together. */
export function inTurn(work: Work): void {
  if (due.push(work) === 1) setImmediate(turn);
}

function ticked(): void {
  for (const work of ticking.splice(0)) inTurn(work);
}

function turn(): void {
  const untilMs = performance.now() + TURN_MS;
  let done = 0;
  do {
    const one = due[done];
    if (one) safely('tick', {}, one);
    done += 1;
  } while (done < due.length && performance.now() < untilMs);
  due = due.slice(done);
  if (due.length > 0) setImmediate(turn);
}
