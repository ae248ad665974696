/** What this process knows of runners that ended, and who wants to hear of it. */
import type { Health, HealthChange } from '../driver';
import { isOf, type ProcessHandle } from './runners';
import type { ProcessTable } from './table';

const pollMs = 500;

type Exited = Extract<Health, { state: 'exited' }>;

export interface Exits {
  /** A child of this process: `exited` resolves with how it ended. */
  addChild(handle: ProcessHandle, exited: Promise<Exited>): void;
  /** A runner that was seen running and that another process has started. */
  addAdopted(handle: ProcessHandle): void;
  /** How it ended. Waits for the news of a child whose process is no more, which is under way then. */
  find(handle: ProcessHandle): Promise<Exited | undefined>;
  /** Whether it has ended and was not stopped yet. */
  remembered(): readonly { readonly handle: ProcessHandle; readonly health: Exited }[];
  /** While a runner is being stopped its end is no news. */
  stopping(handle: ProcessHandle): Disposable;
  /** It was stopped: gone. */
  forget(handle: ProcessHandle): void;
  /** `adopt` is called once it listens, and adds the runners that another process has started. */
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
  const record = (handle: ProcessHandle, health: Exited) => {
    if (stopped.has(keyOf(handle)) || exits.has(keyOf(handle))) return;
    exits.set(keyOf(handle), { handle, health });
    tell(handle.runnerId, health);
  };
  const poll = async () => {
    for (const handle of [...adopted.values()]) {
      const entry = await table.find(handle.pid);
      if (entry !== undefined && isOf(handle, entry)) continue;
      // Only the parent learns the exit code, and that was another process.
      if (adopted.delete(keyOf(handle))) record(handle, { state: 'exited' });
    }
  };

  return {
    addChild(handle, exited) {
      children.set(keyOf(handle), exited);
      // It may have been seen in the table before its start was through.
      adopted.delete(keyOf(handle));
      // A runner that was stopped meanwhile is forgotten: its end is no news.
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
    forget(handle) {
      const known = [exits, children, adopted].map((map) => map.delete(keyOf(handle)));
      if (known.includes(true)) tell(handle.runnerId, { state: 'gone' });
    },
    watch: (signal, adopt) => watch(listeners, { adopt, poll }, signal),
  };
}

/** Of the very process: a handle that differs in any part is of another one. */
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
  // A table that does not answer now is asked again at the next turn.
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
