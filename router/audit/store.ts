/** The events of the audit: appended, read newest first, and deleted oldest first when their retention is over. */
import { and, desc, eq, gte, lt, lte, ne, type SQL, sql } from 'drizzle-orm';
import { unionAll } from 'drizzle-orm/sqlite-core';
import type { Db } from '../database/database';
import { auditEvents } from '../database/schema/audit';

export type AuditEvent = typeof auditEvents.$inferSelect;
type NewAuditEvent = Omit<AuditEvent, 'id'>;

/** The filter of a search in the audit. An absent member matches everything. */
export interface AuditFilter {
  readonly action?: string | undefined;
  /** The address of an account. Finds the acts of its user and the acts on its user. */
  readonly person?: string | undefined;
  /** From this moment on, and before that one. */
  readonly fromMs?: number | undefined;
  readonly untilMs?: number | undefined;
}

/** Events that one statement deletes. */
const DELETED_AT_ONCE = 1_000;

export type AuditStore = ReturnType<typeof auditStore>;

export function auditStore(db: Db) {
  const { action, actor, atMs, id, target } = auditEvents;
  const matching = ({ action: wanted, fromMs, untilMs }: AuditFilter, last: AuditEvent | undefined, whose?: SQL) =>
    db
      .select()
      .from(auditEvents)
      .where(
        and(
          whose,
          wanted === undefined ? undefined : eq(action, wanted),
          fromMs === undefined ? undefined : gte(atMs, fromMs),
          untilMs === undefined ? undefined : lt(atMs, untilMs),
          last && sql`(${atMs}, ${id}) < (${last.atMs}, ${last.id})`,
        ),
      );
  return {
    async append(event: NewAuditEvent): Promise<void> {
      db.insert(auditEvents).values(event).run();
    },
    /** Newest first, after the event `last`. */
    async page(filter: AuditFilter, last: AuditEvent | undefined, limit: number): Promise<readonly AuditEvent[]> {
      const { person } = filter;
      if (person === undefined) return matching(filter, last).orderBy(desc(atMs), desc(id)).limit(limit).all();
      // The acts of a user and the acts on a user each come in the order of an index; no event is in both.
      const done = matching(filter, last, eq(actor, person));
      const suffered = matching(filter, last, and(eq(target, person), ne(actor, person)));
      return unionAll(done, suffered).orderBy(desc(atMs), desc(id)).limit(limit).all();
    },
    async find(eventId: number): Promise<AuditEvent | undefined> {
      return db.select().from(auditEvents).where(eq(id, eventId)).get();
    },
    /** Deletes some of the events before `beforeMs`, the oldest first. @returns whether there may be more. */
    async deleteBefore(beforeMs: number): Promise<boolean> {
      const old = db.select({ id, atMs }).from(auditEvents).orderBy(id).limit(DELETED_AT_ONCE).all();
      const kept = old.findIndex((event) => event.atMs >= beforeMs);
      const last = (kept === -1 ? old : old.slice(0, kept)).at(-1);
      if (last) db.delete(auditEvents).where(lte(id, last.id)).run();
      return last !== undefined && kept === -1;
    },
  };
}
