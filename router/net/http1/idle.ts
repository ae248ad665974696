/** The idle connections: each is kept for the next request to its destination, and closed when none has come. */
import { startBeat, stopBeat } from '../../lib/heartbeat';
import type { Connection } from './connection';

/**
 * Milliseconds for which an idle connection is reused. Node and uvicorn close one after 5 s: a request that crosses
 * with the close would be lost, and a request that may have arrived is not sent again.
 */
export const IDLE_MS = 2_000;

/** By destination; the last one in a list was used last. */
const idle = new Map<string, Connection[]>();

/** The idle connection to a destination that was used last, unless it has rested for too long and is yet to be closed. */
export function idleConnection(destination: string): Connection | undefined {
  const connection = idle.get(destination)?.at(-1);
  return connection && connection.restedMs < IDLE_MS ? connection : undefined;
}

export function addIdle(connection: Connection): void {
  const others = idle.get(connection.destination);
  if (others) others.push(connection);
  else idle.set(connection.destination, [connection]);
  startBeat(connection);
}

/** The connection has a request now. Does nothing for a new connection. */
export function takeIdle(connection: Connection): void {
  const all = idle.get(connection.destination);
  const at = all?.lastIndexOf(connection) ?? -1;
  if (!all || at === -1) return;
  stopBeat(connection);
  all.splice(at, 1);
}

/** The connection is closed, idle or not. */
export function closeIdle(connection: Connection): void {
  takeIdle(connection);
  if (idle.get(connection.destination)?.length === 0) idle.delete(connection.destination);
}
