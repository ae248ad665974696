/** Stores schedules. */
import { and, asc, count, eq, isNull, lte } from 'drizzle-orm';
import type { Db } from '../database/database';
import { users } from '../database/schema/accounts';
import { schedules } from '../database/schema/schedules';

export type Schedule = typeof schedules.$inferSelect;

export type SchedulesStore = ReturnType<typeof schedulesStore>;

export function schedulesStore(db: Db) {
  return {
    async find(id: string): Promise<Schedule | undefined> {
      return db.select().from(schedules).where(eq(schedules.id, id)).get();
    },
    /** Oldest first. */
    async listOfAgent(agentId: string): Promise<readonly Schedule[]> {
      return db
        .select()
        .from(schedules)
        .where(eq(schedules.agentId, agentId))
        .orderBy(asc(schedules.createdAtMs))
        .all();
    },
    /** Oldest first. */
    async listOfUser(userId: string): Promise<readonly Schedule[]> {
      return db.select().from(schedules).where(eq(schedules.userId, userId)).orderBy(asc(schedules.createdAtMs)).all();
    },
    async countOfUser(userId: string): Promise<number> {
      return db.select({ all: count() }).from(schedules).where(eq(schedules.userId, userId)).get()?.all ?? 0;
    },
    async insert(schedule: Schedule): Promise<void> {
      db.insert(schedules).values(schedule).run();
    },
    async update(id: string, change: Partial<Omit<Schedule, 'id'>>): Promise<void> {
      db.update(schedules).set(change).where(eq(schedules.id, id)).run();
    },
    async delete(id: string): Promise<void> {
      db.delete(schedules).where(eq(schedules.id, id)).run();
    },
    /**
     * Sets the next time of a schedule that is still as it was read: neither paused nor changed meanwhile.
     * @returns whether it was.
     */
    async moveOn({ id, nextAtMs }: Pick<Schedule, 'id' | 'nextAtMs'>, toMs: number | null): Promise<boolean> {
      const asRead = nextAtMs === null ? isNull(schedules.nextAtMs) : eq(schedules.nextAtMs, nextAtMs);
      const rows = db
        .update(schedules)
        .set({ nextAtMs: toMs })
        .where(and(eq(schedules.id, id), eq(schedules.isPaused, false), asRead))
        .returning({ id: schedules.id })
        .all();
      return rows.length > 0;
    },
    /** Returns the schedules whose time has come, longest ago first, without those of disabled users, whose times wait. */
    async due(nowMs: number, limit: number): Promise<readonly Schedule[]> {
      const rows = db
        .select({ schedule: schedules })
        .from(schedules)
        .innerJoin(users, eq(users.id, schedules.userId))
        .where(and(lte(schedules.nextAtMs, nowMs), isNull(users.disabledAtMs)))
        .orderBy(asc(schedules.nextAtMs))
        .limit(limit)
        .all();
      return rows.map(({ schedule }) => schedule);
    },
  };
}
