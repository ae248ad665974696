/** Every stream that is open, so that revoking a session or key ends its streams (law 20) and a shutdown ends all. */
import { AppError } from '../errors';
import type { Events } from '../services/events';

export interface Holder {
  readonly userId: string;
  /** Id of the session or key that opened the stream. */
  readonly credentialId: string;
}

export interface OpenStreams {
  /** @param close ends the stream, telling why if it can. @returns to be called when it has ended by itself. */
  add(holder: Holder, close: (why: AppError) => void): () => void;
  /** The router ends. */
  closeAll(): void;
  readonly size: number;
}

export function createOpenStreams(events: Events): OpenStreams {
  const open = new Set<(why: AppError) => void>();
  return {
    add(holder, close) {
      const unsubscribe = events.subscribe(holder.userId, (event) => {
        if (event.kind !== 'revoked' || event.credentialId !== holder.credentialId) return;
        close(
          new AppError('signed_out', { message: 'The session or key of this request was revoked, or has expired.' }),
        );
      });
      open.add(close);
      return () => {
        unsubscribe();
        open.delete(close);
      };
    },
    closeAll() {
      const why = new AppError('shutting_down', { message: 'The router was restarted in the middle of this answer.' });
      for (const close of [...open]) close(why);
    },
    get size() {
      return open.size;
    },
  };
}
