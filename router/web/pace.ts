/** The slowest pace at which a long body may be sent or read. Until its end it takes memory that others may need. */
import { type Beating, startBeat, stopBeat } from '../lib/heartbeat';
import { steadyMs } from '../lib/time';

const BYTES_PER_SECOND_MIN = 8_192;

export class Pace implements Beating {
  place: number | undefined;
  group: Beating['group'];
  #dueMs: number;

  /**
   * @param behindMsMax how far the body may fall behind. Bytes that come faster earn no credit, so a body that stops is always
   * noticed after this time.
   * @param onTooSlow called at most once.
   */
  constructor(
    readonly behindMsMax: number,
    readonly onTooSlow: () => void,
  ) {
    this.#dueMs = steadyMs() + behindMsMax;
    startBeat(this);
  }

  /** To be called when more of the body was sent or read. */
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
