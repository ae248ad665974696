/** Every stream that is open, so that revoking a session or key ends its streams (law 20) and a shutdown ends all. */

import { Allowance, type Share } from '../../lib/allowance';
import { AppError } from '../../lib/errors';
import type { Events } from '../../lib/events';
import { IndexedSet } from '../../lib/indexed-set';
import { safely } from '../../lib/safely';

interface Holder {
  readonly userId: string;
  /** Id of the session or key that opened the stream. */
  readonly credentialId: string;
  /** The name under which the stream counts against the limits; by default the user's. */
  readonly countedAs?: string;
}

/** The request or page to which a stream belongs. */
interface Closable {
  /** Ends the stream, and sends the reason if it can. */
  close(why: AppError): void;
}

/** A browser opens six at most, one for all its hidden tabs. A stream whose client has gone may take long to end. */
export const LIVE_STREAMS_PER_USER_MAX = 12;

export interface OpenStreams {
  /**
   * Throws `too_much_at_once` or `overloaded` when there are too many streams.
   * @returns what the caller ends when the stream has ended by itself.
   */
  add(holder: Holder, closable: Closable): OpenStream;
  /**
   * Like `add`, for a stream of the router's own events. Ends the user's oldest stream when the new one exceeds the
   * limit.
   */
  addLive(holder: Holder, closable: Closable): OpenStream;
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

/** An open stream, made by `OpenStreams`. */
export class OpenStream {
  place: number | undefined;

  constructor(
    readonly open: IndexedSet<OpenStream>,
    readonly holder: Holder,
    readonly closable: Closable,
    readonly share: Share,
  ) {
    open.add(this);
  }

  /** Idempotent. */
  end(): void {
    this.open.delete(this);
    this.share.end();
  }
}

/** An open stream of the router's own events. */
class LiveStream extends OpenStream {
  /** The live streams of each user; the oldest first. */
  live: Map<string, Set<OpenStream>> | undefined;

  override end(): void {
    super.end();
    const { userId } = this.holder;
    const ofUser = this.live?.get(userId);
    if (ofUser?.delete(this) && ofUser.size === 0) this.live?.delete(userId);
  }
}

const NO_LIMITS = { total: Number.POSITIVE_INFINITY, perHolder: Number.POSITIVE_INFINITY };

/** @param allowed limits how many streams may be open, in total and per user. */
export function createOpenStreams(events: Events, allowed = new Allowance(NO_LIMITS)): OpenStreams {
  const open = new IndexedSet<OpenStream>();
  /** By user; the oldest first. */
  const live = new Map<string, Set<OpenStream>>();
  let telling = 0;
  const close = (streams: readonly OpenStream[], why: AppError) => {
    for (const { place, holder, closable } of streams)
      if (place !== undefined) safely('close', holder, () => closable.close(why));
  };
  events.subscribeToAll(['revoked', 'shut-out'], (userId, event) => {
    const isHeld = ({ holder }: OpenStream) =>
      holder.userId === userId && (event.kind === 'shut-out' || holder.credentialId === event.credentialId);
    close(
      open.toArray().filter(isHeld),
      new AppError('signed_out', { message: 'The session or key of this request was revoked, or has expired.' }),
    );
  });
  return {
    add: (holder, closable) => new OpenStream(open, holder, closable, allowed.take(holder.countedAs ?? holder.userId)),
    addLive(holder, closable) {
      const { userId } = holder;
      // Counted separately from requests, so that many requests do not keep a page from being live.
      const share = allowed.take(`pages of ${userId}`);
      const ofUser = live.get(userId) ?? new Set();
      const [oldest] = ofUser;
      const stream = new LiveStream(open, holder, closable, share);
      stream.live = live;
      live.set(userId, ofUser.add(stream));
      if (ofUser.size > LIVE_STREAMS_PER_USER_MAX)
        oldest?.closable.close(new AppError('too_many_requests', { message: 'Too many live streams of this user.' }));
      return stream;
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
