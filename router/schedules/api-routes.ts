/** `/api/schedules` and `/api/agents/{id}/schedules`: times at which an agent is asked by itself, for programs. */
import { Elysia, t } from 'elysia';
import type { SessionPlugin, Who } from '../accounts/identify';
import type { AgentsService } from '../agents/agents';
import { scheduleJson } from './present';
import type { SchedulesService } from './schedules';

interface SchedulesApiDeps {
  readonly agents: Pick<AgentsService, 'get'>;
  readonly schedules: SchedulesService;
}

export function schedulesApiRoutes({ agents, schedules }: SchedulesApiDeps, session: SessionPlugin) {
  const own = ({ user }: Who, { id }: { id: string }) => schedules.get(user.id, id);
  const told = async (who: Who, params: { id: string }) => ({ schedule: scheduleJson(await own(who, params)) });

  return new Elysia({ name: 'schedules-api' })
    .use(session)
    .get(
      '/api/schedules',
      async ({ who }) => ({
        schedules: (await schedules.listOfUser(who.user.id)).map(scheduleJson),
        max: schedules.max,
      }),
      { session: true },
    )
    .get(
      '/api/agents/:id/schedules',
      async ({ who, params }) => {
        const agent = await agents.get(who.user.id, params.id);
        return { schedules: (await schedules.listOfAgent(agent)).map(scheduleJson), max: schedules.max };
      },
      { session: true },
    )
    .post(
      '/api/agents/:id/schedules',
      async ({ who, params, body }) => {
        const agent = await agents.get(who.user.id, params.id);
        const { when, time_zone: timeZone = 'UTC', text, conversation_id: chosen } = body;
        const made = await schedules.create(agent, { when, timeZone, text, conversationId: chosen || null });
        return { schedule: scheduleJson(made) };
      },
      {
        session: true,
        body: t.Object({
          when: t.String(),
          time_zone: t.Optional(t.String()),
          text: t.String(),
          conversation_id: t.Optional(t.String()),
        }),
      },
    )
    .get('/api/schedules/:id', ({ who, params }) => told(who, params), { session: true })
    .patch(
      '/api/schedules/:id',
      async ({ who, params, body }) => {
        const { when, time_zone: timeZone, text, conversation_id: conversationId, paused } = body;
        const before = await own(who, params);
        if ([when, timeZone, text, conversationId].some((field) => field !== undefined)) {
          await schedules.change(before, {
            when: when ?? before.cron,
            timeZone: timeZone ?? before.timeZone,
            text: text ?? before.text,
            conversationId: conversationId === undefined ? before.conversationId : conversationId || null,
          });
        }
        if (paused !== undefined) {
          const changed = await own(who, params);
          await (paused ? schedules.pause(changed) : schedules.resume(changed));
        }
        return told(who, params);
      },
      {
        session: true,
        body: t.Object({
          when: t.Optional(t.String()),
          time_zone: t.Optional(t.String()),
          text: t.Optional(t.String()),
          /** Empty: a new conversation each time. */
          conversation_id: t.Optional(t.String()),
          paused: t.Optional(t.Boolean()),
        }),
      },
    )
    .delete(
      '/api/schedules/:id',
      async ({ who, params, set }) => {
        await schedules.delete(await own(who, params));
        set.status = 204;
      },
      { session: true },
    )
    .post(
      '/api/schedules/:id/run',
      async ({ who, params }) => {
        const { conversationId, messageId } = await schedules.run(await own(who, params));
        return { conversation_id: conversationId, message_id: messageId };
      },
      { session: true },
    );
}
