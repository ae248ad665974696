/**
 * Schedules: at times that its user has given, the router starts an agent, asks it a text, stores the answer as any other,
 * and lets the agent fall asleep again. The timers of an agent itself end with its runner.
 */
import type { AgentsService } from '../agents/agents';
import type { Agent } from '../agents/store';
import type { ConversationsService } from '../chat/conversations';
import type { GenerationsService } from '../chat/generations/generations';
import { AppError, type Code, toAppError } from '../lib/errors';
import type { Events } from '../lib/events';
import { newId } from '../lib/ids';
import { schedulesLog } from '../lib/log';
import type { Schedule, SchedulesStore } from './store';
import { cronOf, nextTime, requireTimes } from './times';

/** Characters. */
const TEXT_LENGTH_MAX = 20_000;
/** Schedules that are begun in one step, so that a full hour does not start all agents at once. */
const DUE_MAX = 10;
/** Milliseconds until another try after a refusal that passes, and how many tries there are: ten minutes. */
const RETRY_MS = 30_000;
const TRIES_MAX = 20;
/** The conversation has an answer under way, the user too much at once, or the disk is full. */
const PASSING: ReadonlySet<Code> = new Set(['answer_running', 'too_much_at_once', 'storage_failed', 'overloaded']);

export interface ScheduleFields {
  /** A phrase or a cron expression. */
  readonly when: string;
  readonly timeZone: string;
  readonly text: string;
  /** Null: a new conversation each time. */
  readonly conversationId: string | null;
}

/** The conversation and the message of a schedule that was asked. */
export interface Asked {
  readonly conversationId: string;
  readonly messageId: string;
}

export type SchedulesService = ReturnType<typeof schedulesService>;

interface SchedulesDeps {
  readonly schedules: SchedulesStore;
  readonly agents: Pick<AgentsService, 'get'>;
  readonly conversations: Pick<ConversationsService, 'find' | 'get' | 'begin'>;
  readonly generations: Pick<GenerationsService, 'start'>;
  readonly events: Pick<Events, 'publish'>;
  readonly limits: { readonly perUser: number; readonly gapMs: number };
  /** Whether the router is ending: the next one then asks what is due. */
  readonly isDraining: () => boolean;
  readonly now: () => number;
}

export function schedulesService(deps: SchedulesDeps) {
  const { schedules, agents, conversations, generations, events, limits, isDraining, now } = deps;
  /** Refusals in a row that pass, by the schedule's id. */
  const tries = new Map<string, number>();

  async function get(userId: string, id: string): Promise<Schedule> {
    const schedule = await schedules.find(id);
    if (schedule?.userId !== userId) throw new AppError('not_found', { message: 'There is no such schedule.' });
    return schedule;
  }

  /**
   * Throws `invalid_fields`, and `not_found` for a conversation that the user or the agent does not have.
   * @param keptId the schedule's conversation as it is: it may be gone by now.
   */
  async function checked(agent: Agent, fields: ScheduleFields, keptId: string | null = null) {
    const cron = cronOf(fields.when);
    const [timeZone, text] = [fields.timeZone.trim(), fields.text.trim()];
    requireTimes(cron, timeZone, { afterMs: now(), gapMs: limits.gapMs });
    if (text === '') throw new AppError('invalid_fields', { fields: { text: 'Write what the agent is asked' } });
    if (text.length > TEXT_LENGTH_MAX) {
      throw new AppError('invalid_fields', { fields: { text: `At most ${TEXT_LENGTH_MAX} characters` } });
    }
    const { conversationId } = fields;
    if (conversationId !== null && conversationId !== keptId) {
      const { agentId } = await conversations.get(agent.userId, conversationId);
      if (agentId !== agent.id) throw new AppError('not_found', { message: 'There is no such conversation.' });
    }
    return { cron, timeZone, text, conversationId };
  }

  const timeAfterNow = ({ cron, timeZone }: Pick<Schedule, 'cron' | 'timeZone'>) =>
    nextTime(cron, timeZone, now()) ?? null;

  async function ask({ userId, agentId, conversationId, text }: Schedule): Promise<Asked> {
    const agent = await agents.get(userId, agentId);
    const chosen = conversationId === null ? undefined : await conversations.find(userId, conversationId);
    const isThere = chosen?.shelf !== 'deleted' && chosen?.agentId === agentId;
    const beginning = chosen && isThere ? undefined : conversations.begin(agent);
    const conversation = beginning?.conversation ?? chosen;
    if (!conversation) throw new AppError('not_found');
    const { id } = await generations.start(conversation, text, beginning ? { beginning } : {});
    return { conversationId: conversation.id, messageId: id };
  }

  /** Open pages show the schedules anew. */
  const tell = ({ userId, agentId }: Pick<Schedule, 'userId' | 'agentId'>) =>
    events.publish(userId, { kind: 'schedule', agentId });

  async function update(schedule: Schedule, changes: Parameters<SchedulesStore['update']>[1]): Promise<void> {
    await schedules.update(schedule.id, changes);
    tell(schedule);
  }

  const asked = (schedule: Schedule, { conversationId }: Asked) =>
    update(schedule, { lastAtMs: now(), lastConversationId: conversationId, lastProblem: null });

  async function askDue(schedule: Schedule): Promise<void> {
    const { id, agentId } = schedule;
    const nextAtMs = timeAfterNow(schedule);
    // Before it is asked: nobody has paused or changed it meanwhile, and a crash does not make it ask twice.
    if (!(await schedules.moveOn(schedule, nextAtMs))) return;
    let done: Asked;
    try {
      done = await ask(schedule);
    } catch (thrown) {
      const { code, message } = toAppError(thrown);
      const count = (tries.get(id) ?? 0) + 1;
      if (PASSING.has(code) && count < TRIES_MAX) {
        tries.set(id, count);
        await schedules.moveOn({ id, nextAtMs }, now() + RETRY_MS);
        return;
      }
      tries.delete(id);
      const cause = code === 'internal' ? { err: thrown } : {};
      schedulesLog.warn({ schedule: id, agent: agentId, code, ...cause }, 'schedule.failed');
      return update(schedule, { lastAtMs: now(), lastConversationId: null, lastProblem: message });
    }
    tries.delete(id);
    schedulesLog.info({ schedule: id, agent: agentId }, 'schedule.asked');
    await asked(schedule, done);
  }

  return {
    get,
    /** How many schedules a user may have. */
    max: limits.perUser,
    listOfAgent: (agent: Agent): Promise<readonly Schedule[]> => schedules.listOfAgent(agent.id),
    listOfUser: (userId: string): Promise<readonly Schedule[]> => schedules.listOfUser(userId),

    /** Throws `invalid_fields`, `not_found` for a conversation of somebody else, `conflict` at the limit. */
    async create(agent: Agent, fields: ScheduleFields): Promise<Schedule> {
      const valid = await checked(agent, fields);
      if ((await schedules.countOfUser(agent.userId)) >= limits.perUser) {
        throw new AppError('conflict', {
          message: `You have ${limits.perUser} schedules, which is as many as you may have. Delete one first.`,
          hint: 'MAX_SCHEDULES_PER_USER sets how many a user may have.',
        });
      }
      const schedule: Schedule = {
        ...{ id: newId(), userId: agent.userId, agentId: agent.id, ...valid, isPaused: false },
        ...{ nextAtMs: timeAfterNow(valid), createdAtMs: now() },
        ...{ lastAtMs: null, lastConversationId: null, lastProblem: null },
      };
      await schedules.insert(schedule);
      tell(schedule);
      return schedule;
    },

    /** Throws as `create` does. */
    async change(schedule: Schedule, fields: ScheduleFields): Promise<void> {
      const agent = await agents.get(schedule.userId, schedule.agentId);
      const valid = await checked(agent, fields, schedule.conversationId);
      await update(schedule, { ...valid, nextAtMs: schedule.isPaused ? null : timeAfterNow(valid) });
    },

    /** Times that pass while a schedule is paused are not made up for. */
    async pause(schedule: Schedule): Promise<void> {
      await update(schedule, { isPaused: true, nextAtMs: null });
    },

    async resume(schedule: Schedule): Promise<void> {
      await update(schedule, { isPaused: false, nextAtMs: timeAfterNow(schedule) });
    },

    async delete(schedule: Schedule): Promise<void> {
      await schedules.delete(schedule.id);
      tell(schedule);
    },

    /** Asks now; the next time stays. Throws why the agent cannot be asked, for example `answer_running`. */
    async run(schedule: Schedule): Promise<Asked> {
      const done = await ask(schedule);
      await asked(schedule, done);
      return done;
    },

    /**
     * Asks where a time has come. Times that were missed while the router was down are asked once. A fault of one schedule
     * keeps none of the others from being asked.
     */
    async runDue(): Promise<void> {
      if (isDraining()) return;
      for (const schedule of await schedules.due(now(), DUE_MAX)) {
        if (isDraining()) return;
        await askDue(schedule).catch((error: unknown) => {
          schedulesLog.error({ schedule: schedule.id, err: error }, 'schedule.broke');
        });
      }
    },
  };
}
