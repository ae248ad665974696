/** The slowest pace at which a long body may come, or be read by its client: its memory is held until it is through. */
import { type Beating, startBeat, stopBeat } from '../lib/heartbeat';
import { steadyMs } from '../lib/time';

const BYTES_PER_SECOND_MIN = 8_192;

export class Pace implements Beating {
  place: number | undefined;
  group: Beating['group'];
  #dueMs: number;

  /**
   * @param behindMsMax how far it may fall behind. A faster beginning gives no credit, so a body that stops is always noticed this
   * soon.
   * @param onTooSlow called at most once.
   */
  constructor(
    readonly behindMsMax: number,
    readonly onTooSlow: () => void,
  ) {
    this.#dueMs = steadyMs() + behindMsMax;
    startBeat(this);
  }

  /** More of the body is through. */
  moved(bytes: number): void {
    this.#dueMs = Math.min(steadyMs() + this.behindMsMax, this.#dueMs + (bytes / BYTES_PER_SECOND_MIN) * 1000);
  }

  beat(nowMs: number): void {
    if (nowMs <= this.#dueMs) return;
    this.end();
    this.onTooSlow();
  }

  /** Idempotent. */
  end(): void {
    stopBeat(this);
  }
}
