/** Server-sent events that the router itself writes: progress, and the live streams of pages. */

import { type Beating, startBeat, stopBeat } from '../../lib/heartbeat';
import { safely } from '../../lib/safely';
import { steadyMs } from '../../lib/time';
import { dataHeaders, keptPageHeaders } from '../answers/headers';
import { type Incoming, waitNoLonger, waitPatiently } from '../patience';
import { EventGzip } from './gzip';

/** Milliseconds; shorter than the shortest known idle timeout of proxies. */
const HEARTBEAT_MS = 15_000;
/**
 * Bytes of events that wait for a slow reader. Beyond this the stream ends; its client reconnects with `Last-Event-ID`
 * and reads the state. A single larger event may wait alone.
 */
export const QUEUED_BYTES_MAX = 256 * 1024;
const HEADERS = { ...dataHeaders('text/event-stream; charset=utf-8'), 'x-accel-buffering': 'no' };
const utf8 = new TextEncoder();
const KEEP_ALIVE = utf8.encode(': keep-alive\n\n');

interface ServerEvent {
  readonly id?: string;
  /** Its name; without one it is a `message`. */
  readonly event?: string;
  readonly data: string;
}

export interface EventWriter {
  /**
   * @param event `data` may have several lines.
   * @returns resolves when the reader has taken the event and wants the next one, or when the stream has ended. A
   * stream of states waits for this before it sends the next state, so that a slow reader gets fewer.
   */
  send(event: ServerEvent): Promise<void>;
  /** Ends the stream after everything that was sent has been read. */
  close(): void;
}

/**
 * A response of server-sent events that stays open until either side closes it; compressed where the client takes it.
 * @param onOpen called at once to begin the writing; the function that it returns is called exactly once, when nothing
 * can be sent any more. What it throws is thrown on.
 */
export function eventStream(incoming: Incoming, onOpen: (writer: EventWriter) => () => void): Response {
  const { request, server } = incoming;
  // Elysia would read the body of an answer to HEAD to its end, which never comes.
  if (request.method === 'HEAD') return new Response(null, { headers: HEADERS });
  const queue = new EventQueue();
  let onEnd: (() => void) | undefined;
  let aliveAtMs = steadyMs();
  const heartbeat: Beating = {
    beat(nowMs) {
      if (nowMs - aliveAtMs < HEARTBEAT_MS) return;
      aliveAtMs = nowMs;
      if (queue.bytes === 0) void queue.add(KEEP_ALIVE);
    },
  };
  const end = () => {
    stopBeat(heartbeat);
    waitNoLonger(server, request);
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
        waitPatiently(server, request);
        // The stream was closed while `onOpen` ran.
        if (queue.isClosed) end();
        else startBeat(heartbeat);
      },
      pull: (controller) => queue.take(controller),
      cancel() {
        close();
        queue.gzip?.[Symbol.dispose]();
      },
    },
    // No read-ahead, so that the queue shows how far the reader is behind.
    { highWaterMark: 0 },
  );
  // After `onOpen`, which may refuse the stream: a refused one would hold the memory of its compression for ever.
  const gzip = EventGzip.for(request);
  queue.gzip = gzip;
  return new Response(body, {
    headers: {
      ...HEADERS,
      ...keptPageHeaders(request),
      vary: 'accept-encoding',
      ...(gzip && { 'content-encoding': 'gzip' }),
    },
  });
}

/** Events that were sent and not read yet. */
class EventQueue {
  isClosed = false;
  /** Compresses the events. To be set before the first one is read. */
  gzip: EventGzip | undefined;
  /** Bytes of all waiting events. */
  bytes = 0;
  #waiting: Uint8Array[] = [];
  /** Resolves when the reader wants more than is queued. */
  #taken: PromiseWithResolvers<void> | undefined;
  /** Set while the reader waits. Resolves when an event is queued. */
  #reading: PromiseWithResolvers<void> | undefined;

  add(event: Uint8Array): Promise<void> {
    if (this.isClosed) return Promise.resolve();
    this.#waiting.push(event);
    this.bytes += event.length;
    this.#taken ??= Promise.withResolvers();
    this.#reading?.resolve();
    return this.#taken.promise;
  }

  /** Passes on the next event as soon as there is one, and the end after the last event. */
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
    if (event) controller.enqueue(this.gzip ? await this.gzip.compress(event) : event);
    else {
      const last = this.gzip?.end();
      if (last?.length) controller.enqueue(last);
      controller.close();
    }
  }

  close(): void {
    this.isClosed = true;
    this.#taken?.resolve();
    this.#reading?.resolve();
  }
}

/** One event in SSE's format: each line gets its own `data:`, because a line without one would be lost. */
export function frame(event: ServerEvent): string {
  const id = event.id === undefined ? '' : `id: ${event.id}\n`;
  const name = event.event === undefined ? '' : `event: ${event.event}\n`;
  const data = event.data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return `${id}${name}${data.join('')}\n`;
}
