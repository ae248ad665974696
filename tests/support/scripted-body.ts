import type { Body, Sink } from '../../router/net/body';

export const bytes = (text: string) => new TextEncoder().encode(text);

/** A body that a test writes, and that records what it was asked for. */
export class Source implements Body {
  readonly asked: string[] = [];
  #sink: Sink | undefined;
  read(sink: Sink): void {
    this.asked.push('read');
    this.#sink = sink;
  }
  pause(): void {
    this.asked.push('pause');
  }
  resume(): void {
    this.asked.push('resume');
  }
  cancel(): void {
    this.asked.push('cancel');
    this.#sink = undefined;
  }
  say(text: string): void {
    this.push(bytes(text));
  }
  push(piece: Uint8Array): void {
    this.#sink?.chunk(piece);
  }
  end(): void {
    this.#sink?.end();
  }
  lose(cause: unknown): void {
    this.#sink?.lost(cause);
  }
}
