/** Server-sent events that the router itself writes: progress and the UI's live streams. */

import { safely } from '../lib/safely';
import { dataHeaders } from './headers';

/** Under the shortest idle limit that proxies are known for. */
const HEARTBEAT_MS = 15_000;
/**
 * Of events that wait for a reader who is slow. Beyond it the stream ends: its client comes back with `Last-Event-ID` and
 * reads the state. An event that is larger waits alone.
 */
export const QUEUED_BYTES_MAX = 256 * 1024;
const HEADERS = { ...dataHeaders('text/event-stream; charset=utf-8'), 'x-accel-buffering': 'no' };
const utf8 = new TextEncoder();
const KEEP_ALIVE = utf8.encode(': keep-alive\n\n');

export interface EventWriter {
  /**
   * @param event `data` may have several lines.
   * @returns resolves when the reader has taken it and wants the next one, or the stream has ended. A stream of states
   * waits for that before it sends the next one, so that a slow reader gets fewer.
   */
  send(event: { readonly id?: string; readonly data: string }): Promise<void>;
  /** Ends the stream when what was sent is taken. */
  close(): void;
}

/**
 * A response of server-sent events that stays open until either side closes it.
 * @param onOpen starts the writing, at once; what it returns is called exactly once, when nothing can be sent any more.
 */
export function eventStream({ method }: Request, onOpen: (writer: EventWriter) => () => void): Response {
  // Elysia would read the body of the answer to a HEAD to its end, which does not come.
  if (method === 'HEAD') return new Response(null, { headers: HEADERS });
  const queue = new EventQueue();
  let onEnd: (() => void) | undefined;
  let heartbeat: ReturnType<typeof setInterval> | undefined;
  const end = () => {
    clearInterval(heartbeat);
    safely('onEnd', {}, () => onEnd?.());
    onEnd = undefined;
  };
  const close = () => {
    queue.close();
    end();
  };
  const send: EventWriter['send'] = (event) => {
    const bytes = utf8.encode(frame(event));
    if (queue.bytes > 0 && queue.bytes + bytes.length > QUEUED_BYTES_MAX) close();
    return queue.add(bytes);
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start() {
        onEnd = onOpen({ send, close });
        // Closed while it was opening.
        if (queue.isClosed) end();
        else
          heartbeat = setInterval(
            () => safely('heartbeat', {}, () => queue.bytes === 0 && queue.add(KEEP_ALIVE)),
            HEARTBEAT_MS,
          );
      },
      pull: (controller) => queue.take(controller),
      cancel: close,
    },
    // Nothing is taken before the connection wants it, so that it is known how far the reader is behind.
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: HEADERS });
}

/** What was sent and is not yet taken. */
class EventQueue {
  isClosed = false;
  /** Of all events that wait. */
  bytes = 0;
  #waiting: Uint8Array[] = [];
  /** Resolves when the reader wants more than there is. */
  #taken: PromiseWithResolvers<void> | undefined;
  /** There while the reader waits. Resolves when there is something. */
  #reading: PromiseWithResolvers<void> | undefined;

  add(event: Uint8Array): Promise<void> {
    if (this.isClosed) return Promise.resolve();
    this.#waiting.push(event);
    this.bytes += event.length;
    this.#taken ??= Promise.withResolvers();
    this.#reading?.resolve();
    return this.#taken.promise;
  }

  /** Gives the next event, as soon as there is one, and after the last the end. */
  async take(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    if (this.#waiting.length === 0 && !this.isClosed) {
      this.#taken?.resolve();
      this.#taken = undefined;
      this.#reading = Promise.withResolvers();
      await this.#reading.promise;
      this.#reading = undefined;
    }
    const event = this.#waiting.shift();
    this.bytes -= event?.length ?? 0;
    if (event) controller.enqueue(event);
    else controller.close();
  }

  close(): void {
    this.isClosed = true;
    this.#taken?.resolve();
    this.#reading?.resolve();
  }
}

/** One event on the wire: a `data:` line for each line, or the second one would be lost. */
export function frame(event: { readonly id?: string; readonly data: string }): string {
  const id = event.id === undefined ? '' : `id: ${event.id}\n`;
  const data = event.data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return `${id}${data.join('')}\n`;
}
