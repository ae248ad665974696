/** Every stream that is open, so that revoking a session or key ends its streams (law 20) and a shutdown ends all. */

import { Allowance } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import type { Events } from '../../lib/events';
import { type IndexedMember, IndexedSet } from '../../lib/indexed-set';
import { safely } from '../../lib/safely';

interface Holder {
  readonly userId: string;
  /** Id of the session or key that opened the stream. */
  readonly credentialId: string;
  /** The name under which the stream counts against the limits; by default the user's. */
  readonly countedAs?: string;
}

/** A browser opens six at most, one for all its hidden tabs. A stream whose client has gone may take long to end. */
export const LIVE_STREAMS_PER_USER_MAX = 12;

export interface OpenStreams {
  /**
   * Throws `too_much_at_once` or `overloaded` when there are too many streams.
   * @param close ends the stream, and sends the reason if it can.
   * @returns an idempotent function, to be called when the stream has ended by itself.
   */
  add(holder: Holder, close: (why: AppError) => void): () => void;
  /**
   * Like `add`, for a stream of the router's own events. Ends the user's oldest stream when the new one exceeds the
   * limit.
   */
  addLive(holder: Holder, close: (why: AppError) => void): () => void;
  /**
   * A live page, or a client like it, is being told what has changed.
   * @returns a function, to be called once, when it has read that.
   */
  tell(): () => void;
  /** Called on shutdown. */
  closeAll(): void;
  readonly size: number;
  /** Streams that do work: all but those of live pages. */
  readonly working: number;
  /** Live pages that are being told something. */
  readonly telling: number;
}

interface Stream extends IndexedMember {
  readonly holder: Holder;
  close(why: AppError): void;
}

const NO_LIMITS = { total: Number.POSITIVE_INFINITY, perHolder: Number.POSITIVE_INFINITY };

/** @param allowed limits how many streams may be open, in total and per user. */
export function createOpenStreams(events: Events, allowed = new Allowance(NO_LIMITS)): OpenStreams {
  const open = new IndexedSet<Stream>();
  /** By user; the oldest first. */
  const live = new Map<string, Set<Stream>>();
  let telling = 0;
  const close = (streams: readonly Stream[], why: AppError) => {
    for (const stream of streams)
      if (stream.place !== undefined) safely('close', stream.holder, () => stream.close(why));
  };
  events.subscribeToAll(['revoked', 'shut-out'], (userId, event) => {
    const isHeld = ({ holder }: Stream) =>
      holder.userId === userId && (event.kind === 'shut-out' || holder.credentialId === event.credentialId);
    close(
      open.toArray().filter(isHeld),
      new AppError('signed_out', { message: 'The session or key of this request was revoked, or has expired.' }),
    );
  });
  const add = (holder: Holder, close: (why: AppError) => void) => {
    const stream = { holder, close };
    open.add(stream);
    return stream;
  };
  return {
    add(holder, close) {
      const leave = allowed.take(holder.countedAs ?? holder.userId);
      const stream = add(holder, close);
      return () => {
        open.delete(stream);
        leave();
      };
    },
    addLive(holder, close) {
      const { userId } = holder;
      // Counted separately from requests, so that many requests do not keep a page from being live.
      const leave = allowed.take(`pages of ${userId}`);
      const ofUser = live.get(userId) ?? new Set();
      const [oldest] = ofUser;
      const stream = add(holder, close);
      live.set(userId, ofUser.add(stream));
      if (ofUser.size > LIVE_STREAMS_PER_USER_MAX)
        oldest?.close(new AppError('too_many_requests', { message: 'Too many live streams of this user.' }));
      return () => {
        open.delete(stream);
        leave();
        ofUser.delete(stream);
        if (ofUser.size === 0) live.delete(userId);
      };
    },
    tell() {
      telling += 1;
      return () => {
        telling -= 1;
      };
    },
    closeAll() {
      const message = 'The router was restarted in the middle of this answer. Try again.';
      close(open.toArray(), new AppError('shutting_down', { message }));
    },
    get size() {
      return open.size;
    },
    get telling() {
      return telling;
    },
    get working() {
      return open.size - [...live.values()].reduce((sum, ofUser) => sum + ofUser.size, 0);
    },
  };
}
