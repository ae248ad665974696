/** Records how runners ended, and notifies the watchers of the driver. */
import type { Health, HealthChange } from '../driver';
import { isOf, type ProcessHandle } from './runners';
import type { ProcessTable } from './table';

const pollMs = 500;

type Exited = Extract<Health, { state: 'exited' }>;

export interface Exits {
  /** Adds a runner that is a child of this process. `exited` must resolve with how it ended. */
  addChild(handle: ProcessHandle, exited: Promise<Exited>): void;
  /** Adds a running runner that another process has started. */
  addAdopted(handle: ProcessHandle): void;
  /**
   * Returns how the runner ended; undefined when that is unknown. When a child has left the process table and its `exited`
   * is still pending, waits for it.
   */
  find(handle: ProcessHandle): Promise<Exited | undefined>;
  /** Returns the runners that have ended by themselves and were not stopped yet. */
  remembered(): readonly { readonly handle: ProcessHandle; readonly health: Exited }[];
  /** Until the result is disposed, the end of this runner is not reported to watchers. */
  stopping(handle: ProcessHandle): Disposable;
  /** Forgets a runner that was stopped, with all its processes, and reports it to the watchers as `gone`. */
  forget(handle: ProcessHandle): void;
  /** Yields the ends of runners. Calls `adopt` after it has begun to listen; `adopt` adds the runners of other processes. */
  watch(signal: AbortSignal, adopt: () => Promise<void>): AsyncGenerator<HealthChange>;
}

export function createExits(table: ProcessTable): Exits {
  const exits = new Map<string, { handle: ProcessHandle; health: Exited }>();
  const children = new Map<string, Promise<Exited>>();
  const adopted = new Map<string, ProcessHandle>();
  const stopped = new Set<string>();
  const listeners = new Set<(change: HealthChange) => void>();

  const tell = (runnerId: string, health: Health) => {
    for (const listener of listeners) listener({ runnerId, health });
  };
  const isRemembered = (life: string) => exits.values().some(({ handle }) => handle.life === life);
  const record = (handle: ProcessHandle, health: Exited) => {
    // A process that outlives the leader is taken for the leader by whoever reads the table then. It is the same runner.
    if (stopped.has(keyOf(handle)) || isRemembered(handle.life)) return;
    exits.set(keyOf(handle), { handle, health });
    tell(handle.runnerId, health);
  };
  const poll = async () => {
    for (const handle of [...adopted.values()]) {
      const entry = await table.find(handle.pid);
      if (entry !== undefined && isOf(handle, entry)) continue;
      // The kernel gives the exit code only to the parent, which is another process here.
      if (adopted.delete(keyOf(handle))) record(handle, { state: 'exited' });
    }
  };

  return {
    addChild(handle, exited) {
      children.set(keyOf(handle), exited);
      // `watch` may have found the runner in the table, and adopted it, before its start was complete.
      adopted.delete(keyOf(handle));
      // `forget` removes a stopped runner from `children`; its end is not reported.
      void exited.then((health) => children.has(keyOf(handle)) && record(handle, health));
    },
    addAdopted(handle) {
      if (!children.has(keyOf(handle))) adopted.set(keyOf(handle), handle);
    },
    find: async (handle) => exits.get(keyOf(handle))?.health ?? (await children.get(keyOf(handle))),
    remembered: () => [...exits.values()],
    stopping(handle) {
      stopped.add(keyOf(handle));
      return { [Symbol.dispose]: () => void stopped.delete(keyOf(handle)) };
    },
    forget({ life, runnerId }) {
      const deleted = [exits, children, adopted].flatMap((map) =>
        [...map.keys()].filter((key) => key.startsWith(`${life} `)).map((key) => map.delete(key)),
      );
      if (deleted.length > 0) tell(runnerId, { state: 'gone' });
    },
    watch: (signal, adopt) => watch(listeners, { adopt, poll }, signal),
  };
}

/** Returns a key that is unique to one process. Handles that differ in any part have different keys. */
function keyOf({ life, pid, born }: ProcessHandle): string {
  return `${life} ${pid} ${born}`;
}

async function* watch(
  listeners: Set<(change: HealthChange) => void>,
  { adopt, poll }: { readonly adopt: () => Promise<void>; readonly poll: () => Promise<void> },
  signal: AbortSignal,
): AsyncGenerator<HealthChange> {
  const changes: HealthChange[] = [];
  let wake = Promise.withResolvers<void>();
  const listener = (change: HealthChange) => {
    changes.push(change);
    wake.resolve();
  };
  const end = () => wake.resolve();
  listeners.add(listener);
  signal.addEventListener('abort', end, { once: true });
  // If the table cannot be read now, the next poll reads it again.
  const timer = setInterval(() => void poll().catch(() => undefined), pollMs);
  timer.unref();
  try {
    await adopt();
    while (!signal.aborted) {
      await wake.promise;
      wake = Promise.withResolvers<void>();
      yield* changes.splice(0);
    }
  } finally {
    clearInterval(timer);
    listeners.delete(listener);
    signal.removeEventListener('abort', end);
  }
}
