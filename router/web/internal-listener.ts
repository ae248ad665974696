/** The internal listener: one port, on loopback and on the host's addresses at which the drivers' runners reach it. */
import type { AnyElysia as App } from 'elysia';

interface InternalListener {
  /** Listens on one more address of this host: at once, or when `open` is called. Idempotent. */
  listenOn(host: string): void;
  /** Begins to serve. @param make creates an app for one address. */
  open(make: () => App): void;
  /** Accepts no new connections; open ones end by themselves. */
  close(): void;
}

/** @param internal.host set by the operator: then it listens only there. */
export function createInternalListener(internal: { readonly host?: string; readonly port: number }): InternalListener {
  const listening = new Map<string, App | undefined>([[internal.host ?? '127.0.0.1', undefined]]);
  let make: (() => App) | undefined;

  function serve(host: string): void {
    if (make && !listening.get(host)) listening.set(host, make().listen({ hostname: host, port: internal.port }));
  }

  return {
    listenOn(host) {
      if (internal.host !== undefined) return;
      if (!listening.has(host)) listening.set(host, undefined);
      serve(host);
    },
    open(app) {
      make = app;
      for (const host of listening.keys()) serve(host);
    },
    close() {
      for (const app of listening.values()) void app?.stop();
    },
  };
}
