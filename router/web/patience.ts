/** How long the server waits for a connection on which nothing is sent. */

/** The listener; null for a request that is made inside this process. */
export type Listener = { timeout(request: Request, seconds: number): void } | null;

/** A request, and the listener that it came to, as Elysia calls them. */
export interface Incoming {
  readonly request: Request;
  readonly server: Listener;
}

/**
 * Seconds until a connection is ended that sends no request, or too slowly: of a body the server wants 16 KiB for each of these
 * seconds before it waits as long again. So a long body is read without that, and by a rule of ours (bodies/read.ts).
 */
export const IDLE_SECONDS = 30;
/**
 * The same after an answer that has taken its time. Proxies and clients keep a connection for two minutes at most (Caddy does), so
 * none is ended while the next request is on its way. The server would wait without end: what held for the answer holds for
 * the connection, and a client that has gone without a word would leave it behind.
 */
const KEPT_SECONDS = 150;

/** From now on nothing need be sent. Call it when the body has been read, and `waitNoLonger` after it: one without the other is for ever. */
export function waitPatiently(listener: Listener, request: Request): void {
  listener?.timeout(request, 0);
}

/** The answer is there, or its end. */
export function waitNoLonger(listener: Listener, request: Request): void {
  listener?.timeout(request, KEPT_SECONDS);
}

/** Does what takes its time before an answer. */
export async function patiently<T>({ request, server }: Incoming, work: () => Promise<T>): Promise<T> {
  waitPatiently(server, request);
  try {
    return await work();
  } finally {
    waitNoLonger(server, request);
  }
}
