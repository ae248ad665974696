/** Browser sessions: opened by a sign-in, listed for their user, and revoked, which ends their streams (law 20). */
import { AppError } from '../../lib/errors';
import type { Events } from '../../lib/events';
import { newId } from '../../lib/ids';
import type { User } from '../users/store';
import type { Session, SessionsStore } from './store';

/** Characters of what a browser says of itself. */
const BROWSER_LENGTH_MAX = 300;

/** Where a session is opened from: the IP address, and the `User-Agent` of the browser. */
export interface Origin {
  readonly address: string;
  readonly browser: string;
}

export type SessionsService = ReturnType<typeof sessionsService>;

export function sessionsService(deps: {
  store: SessionsStore;
  events: Events;
  ttlSeconds: number;
  /** Milliseconds since the epoch. */
  now: () => number;
}) {
  const { store, events, ttlSeconds, now } = deps;
  // Written in batches by `flush`, because every request of a page has a session.
  const seenAtMs = new Map<string, number>();

  /** Ends the streams of sessions that are deleted. */
  function revoked(userId: string, ids: readonly string[]): void {
    for (const id of ids) {
      seenAtMs.delete(id);
      events.publish(userId, { kind: 'revoked', credentialId: id });
    }
  }

  return {
    revoked,

    async open(userId: string, { address, browser }: Origin): Promise<Session> {
      const nowMs = now();
      await store.deleteExpired(nowMs);
      const session: Session = {
        id: newId(),
        userId,
        address,
        browser: browser.slice(0, BROWSER_LENGTH_MAX),
        createdAtMs: nowMs,
        seenAtMs: nowMs,
        expiresAtMs: nowMs + ttlSeconds * 1000,
      };
      await store.insert(session);
      return session;
    },

    /** The session that has not expired, and its user, who is not disabled. */
    async find(id: string): Promise<{ user: User; session: Session } | undefined> {
      const found = await store.find(id, now());
      if (found) seenAtMs.set(id, now());
      return found;
    },

    /** Returns a user's sessions that have not expired, the last used one first. */
    async list(userId: string): Promise<readonly Session[]> {
      const sessions = (await store.list(userId, now())).map((session) => {
        return { ...session, seenAtMs: seenAtMs.get(session.id) ?? session.seenAtMs };
      });
      return sessions.sort((a, b) => b.seenAtMs - a.seenAtMs);
    },

    /** Signs out: the session's token is no longer valid, and its streams end. Throws `not_found`. */
    async revoke(userId: string, id: string): Promise<void> {
      if (!(await store.delete(userId, id))) {
        throw new AppError('not_found', { message: 'You have no such session.' });
      }
      revoked(userId, [id]);
    },

    /** Revokes all sessions of a user but `keptId`. */
    async revokeAll(userId: string, keptId = ''): Promise<void> {
      revoked(userId, await store.deleteOf(userId, keptId));
    },

    /** Writes the time of each session's last use to the database. */
    async flush(): Promise<void> {
      if (seenAtMs.size === 0) return;
      const batch = new Map(seenAtMs);
      seenAtMs.clear();
      await store.markSeen(batch);
    },
  };
}
