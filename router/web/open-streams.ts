/** Every stream that is open, so that revoking a session or key ends its streams (law 20) and a shutdown ends all. */
import { Crowd, type Member } from '../lib/crowd';
import { AppError } from '../lib/errors';
import type { Events } from '../lib/events';
import { safely } from '../lib/safely';

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

interface Stream extends Member {
  readonly holder: Holder;
  close(why: AppError): void;
}

export function createOpenStreams(events: Events): OpenStreams {
  const open = new Crowd<Stream>();
  const close = (streams: readonly Stream[], why: AppError) => {
    for (const stream of streams)
      if (stream.place !== undefined) safely('close', stream.holder, () => stream.close(why));
  };
  events.subscribeToAll((userId, event) => {
    if (event.kind !== 'revoked') return;
    const isHeld = ({ holder }: Stream) => holder.userId === userId && holder.credentialId === event.credentialId;
    close(
      open.toArray().filter(isHeld),
      new AppError('signed_out', { message: 'The session or key of this request was revoked, or has expired.' }),
    );
  });
  return {
    add(holder, close) {
      const stream = { holder, close };
      open.add(stream);
      return () => open.delete(stream);
    },
    closeAll() {
      const message = 'The router was restarted in the middle of this answer.';
      close(open.toArray(), new AppError('shutting_down', { message }));
    },
    get size() {
      return open.size;
    },
  };
}
