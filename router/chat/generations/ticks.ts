/** One clock for all answers that grow: a timer of each would wake the process for each, which costs more than its work. */
import { safely } from '../../lib/safely';

/** Milliseconds between two parses of the received bytes, after which watchers see the text grow. */
const TICK_MS = 50;
/** How long what is new may wait to be saved: less than the second that may be missing after a crash. */
const SAVE_MS = 500;
/** Answers are saved at multiples of this, so that those of many are one transaction. */
const SAVE_STEP_MS = 100;
/** The longest that one turn of the event loop works on answers. The others follow in the next turn. */
const TURN_MS = 2;

type Work = () => void;

/** Work that waits for its moment. Whoever takes it away ends the wait, as nearly all do: most answers end before. */
export interface Later {
  work: Work | undefined;
}

const ticking: Work[] = [];
let due: Work[] = [];
/** What is saved at the last moment for which there is a timer, and when that is, in steps. */
let saving: Later[] = [];
let savingAt = 0;

/** Has `work` called once, at the next tick: at most `TICK_MS` from now, and what waits before it. */
export function tickSoon(work: Work): void {
  if (ticking.push(work) === 1) setTimeout(ticked, TICK_MS);
}

/** Has `work` called once, at most `SAVE_MS` from now. */
export function saveLater(work: Work): Later {
  const later = { work };
  const nowMs = performance.now();
  const at = Math.floor((nowMs + SAVE_MS) / SAVE_STEP_MS);
  if (at !== savingAt) {
    const all: Later[] = [];
    [saving, savingAt] = [all, at];
    setTimeout(() => toBeSaved(all), at * SAVE_STEP_MS - nowMs);
  }
  saving.push(later);
  return later;
}

function toBeSaved(all: readonly Later[]): void {
  // What comes now has a timer of its own, also by a clock that stands still, as in tests.
  if (all === saving) savingAt = 0;
  for (const { work } of all) if (work) inTurn(work);
}

/** Has `work` called in a turn of the event loop, so that many of them do not hold it together. */
function inTurn(work: Work): void {
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
