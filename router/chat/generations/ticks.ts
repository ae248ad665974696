/** One clock for all answers that grow: a timer of each would wake the process for each, which costs more than its work. */
import { safely } from '../../lib/safely';

/** Milliseconds between two parses of the received bytes, after which watchers see the text grow. */
const TICK_MS = 50;
/** The longest that one turn of the event loop works on ticks. The others follow in the next turn. */
const TURN_MS = 4;

export interface Ticking {
  /** Called once, at most `TICK_MS` after `tickSoon`. */
  ticked(): void;
}

const waiting: Ticking[] = [];

/** Has `one` called at the next tick. */
export function tickSoon(one: Ticking): void {
  if (waiting.push(one) === 1) setTimeout(() => tick(waiting.splice(0)), TICK_MS);
}

function tick(all: Ticking[]): void {
  const untilMs = performance.now() + TURN_MS;
  let done = 0;
  while (done < all.length && performance.now() < untilMs) {
    const one = all[done];
    safely('tick', {}, () => one?.ticked());
    done += 1;
  }
  if (done < all.length) setImmediate(tick, all.slice(done));
}
