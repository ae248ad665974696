/** Reads a live stream of a page as a browser does. */
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { until } from './router';

export interface Watch extends AsyncDisposable {
  readonly status: number;
  readonly events: { id: string | undefined; event: string | undefined; data: string }[];
  readonly ended: Promise<void>;
  /** Resolves with the next event whose data contains `text`. */
  saw(text: string): Promise<string>;
}

export async function watchStream(url: string, headers: Record<string, string>): Promise<Watch> {
  const abort = new AbortController();
  const response = await fetch(url, { headers, signal: abort.signal });
  if (!response.body) throw new Error(`No stream: ${response.status}`);
  const events: Watch['events'] = [];
  const stream = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  const ended = (async () => {
    for await (const { id, event, data } of stream) events.push({ id, event, data });
  })().catch(() => undefined);
  let from = 0;
  return {
    status: response.status,
    events,
    ended,
    saw: (text) =>
      until(() => {
        const index = events.findIndex((event, n) => n >= from && event.data.includes(text));
        if (index < 0) return undefined;
        from = index + 1;
        return events[index]?.data;
      }, `the live stream shows ${text}`),
    async [Symbol.asyncDispose]() {
      abort.abort();
      await ended;
    },
  };
}
