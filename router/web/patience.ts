/** How long the server waits for a connection on which nothing is sent. */

/** The listener; null for a request that is made inside this process. */
export type Listener = { timeout(request: Request, seconds: number): void } | null;

/** A request, and the listener that it came to, as Elysia calls them. */
export interface Incoming {
  readonly request: Request;
  readonly server: Listener;
}

/**
 * Seconds after which the server closes a connection that sends no request, or sends too slowly. Of a body it wants 16 KiB in
 * each of these spans, too much for a phone, so long bodies are read without this limit and by a rule of our own (bodies/read.ts).
 */
export const IDLE_SECONDS = 30;
/**
 * The same after an answer that took long. Proxies and clients keep a connection for two minutes at most (Caddy does), so none is
 * closed while the next request is on its way. Without this limit the server would keep the connection of a client that has
 * gone silently for ever, because the limit that was lifted for the answer stays lifted for its connection.
 */
const KEPT_SECONDS = 150;

/**
 * From now on the server waits without end for the answer. Call it when the body has been read, and `waitNoLonger` when there is
 * an answer: without that the connection stays open for ever.
 */
export function waitPatiently(listener: Listener, request: Request): void {
  listener?.timeout(request, 0);
}

/** To be called when the answer begins, or has ended. */
export function waitNoLonger(listener: Listener, request: Request): void {
  listener?.timeout(request, KEPT_SECONDS);
}

/** Does work that may take long before the answer begins. */
export async function patiently<T>({ request, server }: Incoming, work: () => Promise<T>): Promise<T> {
  waitPatiently(server, request);
  try {
    return await work();
  } finally {
    waitNoLonger(server, request);
  }
}
