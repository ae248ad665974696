/** Every stream that is open, so that revoking a session or key ends its streams (law 20) and a shutdown ends all. */
import type { Events } from '../services/events';

export interface Holder {
  readonly userId: string;
  /** Id of the session or key that opened the stream. */
  readonly credentialId: string;
}

export interface OpenStreams {
  /** @param close ends the stream properly. @returns to be called when it has ended by itself. */
  add(holder: Holder, close: () => void): () => void;
  closeAll(): void;
  readonly size: number;
}

export function createOpenStreams(events: Events): OpenStreams {
  const open = new Set<() => void>();
  return {
    add(holder, close) {
      const unsubscribe = events.subscribe(holder.userId, (event) => {
        if (event.kind === 'revoked' && event.credentialId === holder.credentialId) close();
      });
      open.add(close);
      return () => {
        unsubscribe();
        open.delete(close);
      };
    },
    closeAll() {
      for (const close of [...open]) close();
    },
    get size() {
      return open.size;
    },
  };
}
