/** The internal listener: one port, on loopback and on the host's addresses at which the drivers' runners reach it. */
import type { AnyElysia as App } from 'elysia';
import { processLog } from '../lib/log';
import { listenAt } from './listening';

interface InternalListener {
  /**
   * Listens on one more address of this host: at once, or when `open` is called. Idempotent. Throws a `ListenError`, which
   * the log names once until it listens there.
   * @returns whether it listens there now.
   */
  listenOn(host: string): boolean;
  /**
   * Begins to serve. Throws a `ListenError` for the listener's own address; the log names others at which it cannot listen.
   * @param make creates an app for one address.
   */
  open(make: () => App): void;
  /** Accepts no new connections; open ones end by themselves. */
  close(): void;
}

/** @param internal.host set by the operator: then it listens only there. */
export function createInternalListener(internal: { readonly host?: string; readonly port: number }): InternalListener {
  const own = internal.host ?? '127.0.0.1';
  const listening = new Map<string, App | undefined>([[own, undefined]]);
  /** Addresses at which it could not listen. */
  const refused = new Set<string>();
  let make: (() => App) | undefined;

  function serve(host: string): void {
    if (!make || listening.get(host)) return;
    const settings = { host: host === own ? 'ROUTER_BIND_HOST' : 'listenHost in DRIVER_OPTIONS', port: 'ROUTER_PORT' };
    listening.set(host, listenAt(make(), { hostname: host, port: internal.port, settings }));
    refused.delete(host);
  }

  function warnOnce(host: string, error: unknown): void {
    if (!refused.has(host)) processLog.warn({ host, err: error }, 'listener.refused');
    refused.add(host);
  }

  return {
    listenOn(host) {
      if (internal.host !== undefined) return make !== undefined;
      if (!listening.has(host)) listening.set(host, undefined);
      try {
        serve(host);
      } catch (error) {
        warnOnce(host, error);
        throw error;
      }
      return listening.get(host) !== undefined;
    },
    open(app) {
      make = app;
      serve(own);
      for (const host of listening.keys()) {
        try {
          serve(host);
        } catch (error) {
          // The address of one driver must not keep the others' agents from being served.
          warnOnce(host, error);
        }
      }
    },
    close() {
      for (const app of listening.values()) void app?.stop();
    },
  };
}
