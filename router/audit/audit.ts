/** The audit: who did what to whom, when and from where. Subjects record what they do; the administrator reads it. */
import { AppError } from '../lib/errors';
import { accountsLog } from '../lib/log';
import { DAY_MS } from '../lib/time';
import type { AuditEvent, AuditFilter, AuditStore } from './store';

/** Everything that is recorded: a subject and a past-tense verb. */
export const AUDIT_ACTIONS = [
  ...['sign-in.done', 'sign-in.failed', 'sign-out.done'],
  ...['user.signed_up', 'user.invited_in', 'user.created', 'user.changed', 'user.disabled', 'user.enabled'],
  ...['user.deleted', 'user.restored', 'user.purged', 'role.handed_over'],
  ...['password.changed', 'password.set', 'password.reset', 'reset_link.made'],
  ...[
    'identity.linked',
    'identity.unlinked',
    'session.revoked',
    'invitation.made',
    'invitation.revoked',
    'key.made',
    'key.revoked',
  ],
  ...['credentials.set', 'credentials.cleared', 'credentials.shared'],
  ...['budget.set', 'budget.removed', 'price.set', 'price.removed', 'shared_models.set'],
  ...['limits.set', 'runner.stopped', 'runner.log_read', 'image.fetched'],
] as const satisfies readonly string[];
export type AuditAction = string & (typeof AUDIT_ACTIONS)[number];

interface Recorded {
  readonly action: AuditAction;
  /** The user who did it; for a stranger, the address that was typed. */
  readonly actor: { readonly id?: string; readonly email: string };
  readonly target?: string;
  readonly detail?: string;
  readonly address: string;
}

/** Characters of each text; what people type can be longer. */
const TEXT_LENGTH_MAX = 300;

export type AuditService = ReturnType<typeof auditService>;

export function auditService(deps: {
  store: AuditStore;
  retentionDays: number;
  /** Milliseconds since the epoch. */
  now: () => number;
}) {
  const { store, retentionDays, now } = deps;

  return {
    /**
     * Appends an event. When the database refuses it, what was done stays done: the event is in the log, as `audit.lost`.
     */
    async record({ action, actor, target = '', detail = '', address }: Recorded): Promise<void> {
      const cut = (text: string) => text.slice(0, TEXT_LENGTH_MAX);
      const event = {
        ...{ atMs: now(), action, actor: cut(actor.email), actorId: actor.id ?? null },
        ...{ target: cut(target), detail: cut(detail), address },
      };
      await store.append(event).catch((error: unknown) => accountsLog.error({ ...event, err: error }, 'audit.lost'));
    },

    /** A page of events, newest first. Throws `not_found` when the event `after` has been deleted. */
    async page(filter: AuditFilter, { after, limit }: { after?: number | undefined; limit: number }) {
      const last = after === undefined ? undefined : await store.find(after);
      if (after !== undefined && !last)
        throw new AppError('not_found', { message: 'There is no such event any more.' });
      const found = await store.page(filter, last, limit + 1);
      return { events: found.slice(0, limit), hasMore: found.length > limit };
    },

    /** All events, page by page, newest first. */
    async *all(filter: AuditFilter, limit: number): AsyncGenerator<readonly AuditEvent[]> {
      let last: AuditEvent | undefined;
      for (;;) {
        const events = await store.page(filter, last, limit);
        if (events.length > 0) yield events;
        if (events.length < limit) return;
        last = events.at(-1);
      }
    },

    /** Deletes some of the events whose retention is over. @returns whether there may be more. */
    deleteExpired: () => store.deleteBefore(now() - retentionDays * DAY_MS),
  };
}
