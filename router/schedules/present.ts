/** Turns schedules into what pages and the API show. */

import type { FormState } from '../../views/models';
import type { ScheduleView } from '../../views/schedules/models';
import type { ConversationsService } from '../chat/conversations';
import { unixSeconds } from '../lib/time';
import type { Schedule } from './store';
import { simpleTimes } from './times';

/** Conversations that a schedule's answers may go to: the newest of its agent among so many of its user. */
const OFFERED_MAX = 100;
/** Characters of its text that a row shows: more than fit in its two lines. */
const SHOWN_LENGTH = 400;

/** The fields of the form of a schedule, as they are now. */
export function formOf({ cron, timeZone, text, conversationId }: Schedule): FormState {
  const simple = simpleTimes(cron) ?? { every: 'cron', time: '08:00' };
  return {
    values: { ...simple, cron, time_zone: timeZone, text, conversation: conversationId ?? '' },
    errors: {},
  };
}

/** @param open the form of one of them, which is open. */
export function scheduleView(schedule: Schedule, open?: { id: string; form: FormState }): ScheduleView {
  const { id, cron, timeZone, text, isPaused, nextAtMs, lastAtMs, lastConversationId, lastProblem } = schedule;
  const simple = simpleTimes(cron);
  return {
    ...{ id, cron, timeZone, text: text.slice(0, SHOWN_LENGTH), isPaused },
    ...(simple && { simple }),
    ...(nextAtMs !== null && { nextAtMs }),
    ...(lastAtMs !== null && {
      last: {
        atMs: lastAtMs,
        ...(lastConversationId !== null && { conversationId: lastConversationId }),
        ...(lastProblem !== null && { problem: lastProblem }),
      },
    }),
    ...(open?.id === id && { form: open.form }),
  };
}

/** Conversations that the answers may go to: pinned ones first, then newest first, then the chosen one if it is in neither. */
export async function offeredConversations(
  conversations: Pick<ConversationsService, 'find' | 'list' | 'pinned'>,
  { userId, id }: { userId: string; id: string },
  chosenId: string | undefined,
): Promise<readonly { id: string; title: string }[]> {
  const pinned = await conversations.pinned(userId);
  const newest = await conversations.list(userId, { limit: OFFERED_MAX });
  const offered: { id: string; title: string }[] = [...pinned, ...newest].filter(({ agentId }) => agentId === id);
  if (!chosenId || offered.some((one) => one.id === chosenId)) return offered;
  const chosen = await conversations.find(userId, chosenId);
  if (chosen?.agentId === id && chosen.shelf !== 'deleted') offered.push(chosen);
  return offered;
}

/** Times are seconds since the epoch. */
export function scheduleJson(schedule: Schedule) {
  return {
    id: schedule.id,
    agent_id: schedule.agentId,
    when: schedule.cron,
    time_zone: schedule.timeZone,
    text: schedule.text,
    conversation_id: schedule.conversationId,
    paused: schedule.isPaused,
    next_at: unixSeconds(schedule.nextAtMs),
    created_at: unixSeconds(schedule.createdAtMs),
    last_at: unixSeconds(schedule.lastAtMs),
    last_conversation_id: schedule.lastConversationId,
    last_problem: schedule.lastProblem,
  };
}
