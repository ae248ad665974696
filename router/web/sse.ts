/** Server-sent events that the router itself writes: progress and the UI's live streams. */
import { dataHeaders } from './headers';

/** Under the shortest idle limit that proxies are known for. */
const HEARTBEAT_MS = 15_000;
/** A client this many events behind is let go: it comes back with `Last-Event-ID` and reads the state. */
const QUEUED_EVENTS_MAX = 256;
const HEADERS = { ...dataHeaders('text/event-stream; charset=utf-8'), 'x-accel-buffering': 'no' };
const utf8 = new TextEncoder();

export interface EventWriter {
  /** `data` may have several lines. */
  send(event: { readonly id?: string; readonly data: string }): void;
  close(): void;
}

/**
 * A response of server-sent events that stays open until either side closes it.
 * @param onOpen starts the writing, at once; what it returns is called exactly once, when the stream has ended.
 */
export function eventStream({ method }: Request, onOpen: (writer: EventWriter) => () => void): Response {
  // Elysia would read the body of the answer to a HEAD to its end, which does not come.
  if (method === 'HEAD') return new Response(null, { headers: HEADERS });
  let onEnd: (() => void) | undefined;
  let heartbeat: ReturnType<typeof setInterval> | undefined;
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    clearInterval(heartbeat);
    onEnd?.();
  };
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const close = () => {
        if (ended) return;
        end();
        controller.close();
      };
      const write = (text: string) => {
        if (ended) return;
        controller.enqueue(utf8.encode(text));
        if ((controller.desiredSize ?? 0) < -QUEUED_EVENTS_MAX) close();
      };
      onEnd = onOpen({ send: (event) => write(frame(event)), close });
      // Closed while it was opening.
      if (ended) onEnd();
      else heartbeat = setInterval(() => write(': keep-alive\n\n'), HEARTBEAT_MS);
    },
    cancel: end,
  });
  return new Response(body, { headers: HEADERS });
}

/** One event on the wire: a `data:` line for each line, or the second one would be lost. */
export function frame(event: { readonly id?: string; readonly data: string }): string {
  const id = event.id === undefined ? '' : `id: ${event.id}\n`;
  const data = event.data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return `${id}${data.join('')}\n`;
}
