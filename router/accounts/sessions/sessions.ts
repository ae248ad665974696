/** Browser sessions: opened by a sign-in, listed for their user, and revoked, which ends their streams (law 20). */
import { AppError, toAppError } from '../../lib/errors';
import type { Events } from '../../lib/events';
import { newId } from '../../lib/ids';
import { LastUses } from '../last-uses';
import type { User } from '../users/store';
import type { Session, SessionsStore } from './store';

/** Characters of what a browser says of itself. */
const BROWSER_LENGTH_MAX = 300;

/** Where a session is opened from: the IP address, and the `User-Agent` of the browser. */
interface Origin {
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
  const lastUses = new LastUses(store.markSeen);
  /**
   * Session id → user id of sessions that have ended while the database refused to delete them. They open nothing, and are
   * deleted when that is possible again. A restart before that would make them valid again, so the user who ends one is told.
   */
  const undeleted = new Map<string, string>();

  /** Ends the streams of sessions that are deleted. */
  function revoked(userId: string, ids: readonly string[]): void {
    for (const id of ids) {
      lastUses.forget(id);
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
      const found = undeleted.has(id) ? undefined : await store.find(id, now());
      if (found) lastUses.used(id, now());
      return found;
    },

    /** Returns a user's sessions that have not expired, the last used one first. */
    async list(userId: string): Promise<readonly Session[]> {
      const sessions = (await store.list(userId, now())).map((session) => {
        return { ...session, seenAtMs: lastUses.unwritten(session.id) ?? session.seenAtMs };
      });
      return sessions.sort((a, b) => b.seenAtMs - a.seenAtMs);
    },

    /**
     * Signs out: the session's token is no longer valid, and its streams end. Throws `not_found`; and `storage_failed` where
     * the database refuses it, so that it holds only until a restart of the router.
     */
    async revoke(userId: string, id: string): Promise<void> {
      const unstored = await store.delete(userId, id).then(hadSession, async (cause: unknown) => {
        hadSession((await store.find(id, now()))?.user.id === userId);
        undeleted.set(id, userId);
        return notDeleted(cause);
      });
      revoked(userId, [id]);
      if (unstored) throw unstored;
    },

    /** Revokes all sessions of a user but `keptId`. */
    async revokeAll(userId: string, keptId = ''): Promise<void> {
      revoked(userId, await store.deleteOf(userId, keptId));
    },

    /** Writes the time of each session's last use to the database, and deletes what it has refused to delete. */
    async flush(): Promise<void> {
      for (const [id, userId] of undeleted) {
        await store.delete(userId, id);
        undeleted.delete(id);
      }
      await lastUses.flush();
    },
  };
}

function hadSession(isThere: boolean): undefined {
  if (!isThere) throw new AppError('not_found', { message: 'You have no such session.' });
}

/** A session has ended, and that is not stored. Throws what is no refusal of the database. */
function notDeleted(cause: unknown): AppError {
  const refused = toAppError(cause);
  if (refused.code !== 'storage_failed') throw cause;
  const message =
    'The browser is signed out, but that is not stored yet, because the database refuses it. If the router is restarted before it is, this sign-in is valid again.';
  return new AppError('storage_failed', { message, hint: `${refused.message} ${refused.hint ?? ''}`.trim(), cause });
}
