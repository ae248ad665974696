/** The page of an agent's schedules. */
import { Elysia, t } from 'elysia';
import type { FormState } from '../../views/models';
import { SchedulesPage } from '../../views/schedules/page';
import type { SessionPlugin, Who } from '../accounts/identify';
import { agentIn, type ShellOf } from '../accounts/present-pages';
import type { AgentsService } from '../agents/agents';
import type { ConversationsService } from '../chat/conversations';
import { refusedForm } from '../web/answers/refused-form';
import { page, seeOther } from '../web/answers/respond';
import { textOf } from '../web/reader';
import { formOf, offeredConversations, scheduleView } from './present';
import type { ScheduleFields, SchedulesService } from './schedules';
import type { Schedule } from './store';
import { phraseOf } from './times';

const field = t.String({ maxLength: 1_000 });
const form = t.Object({
  ...{ every: field, time: field, cron: field, time_zone: field, conversation: field },
  text: t.String(),
});
type Typed = typeof form.static;

interface SchedulesRoutesDeps {
  readonly agents: Pick<AgentsService, 'get'>;
  readonly conversations: ConversationsService;
  readonly schedules: SchedulesService;
  readonly shell: ShellOf;
}

export function schedulesRoutes(deps: SchedulesRoutesDeps, session: SessionPlugin) {
  const { agents, schedules } = deps;
  const own = ({ user }: Who, { id }: { id: string }) => schedules.get(user.id, id);
  const back = (request: Request, agentId: string, said: string) =>
    seeOther(request, `/agents/${agentId}/schedules?said=${said}`);

  return new Elysia({ name: 'schedules' })
    .use(session)
    .get('/agents/:id/schedules', ({ who, params, query }) => schedulesPage(deps, who, params.id, query), {
      session: true,
      query: t.Object({ said: t.Optional(t.String()), edit: t.Optional(t.String()) }),
    })
    .post(
      '/agents/:id/schedules',
      async ({ who, params, body, request }) => {
        const agent = await agents.get(who.user.id, params.id);
        try {
          await schedules.create(agent, fieldsOf(body));
        } catch (error) {
          return refusedPage(deps, who, agent.id, { body, error });
        }
        return back(request, agent.id, 'made');
      },
      { session: true, body: form },
    )
    .get(
      '/schedules/:id',
      async ({ who, params, request }) => {
        // The address that a browser without JavaScript shows after a refused form.
        const { id, agentId } = await own(who, params);
        return seeOther(request, `/agents/${agentId}/schedules?edit=${id}`);
      },
      { session: true },
    )
    .post(
      '/schedules/:id',
      async ({ who, params, body, request }) => {
        const schedule = await own(who, params);
        try {
          await schedules.change(schedule, fieldsOf(body));
        } catch (error) {
          return refusedPage(deps, who, schedule.agentId, { body, error, schedule });
        }
        return back(request, schedule.agentId, 'saved');
      },
      { session: true, body: form },
    )
    .post(
      '/schedules/:id/pause',
      async ({ who, params, request }) => {
        const schedule = await own(who, params);
        await schedules.pause(schedule);
        return back(request, schedule.agentId, 'paused');
      },
      { session: true },
    )
    .post(
      '/schedules/:id/resume',
      async ({ who, params, request }) => {
        const schedule = await own(who, params);
        await schedules.resume(schedule);
        return back(request, schedule.agentId, 'resumed');
      },
      { session: true },
    )
    .post(
      '/schedules/:id/run',
      async ({ who, params, request }) => {
        const { conversationId } = await schedules.run(await own(who, params));
        return seeOther(request, `/conversations/${conversationId}`);
      },
      { session: true },
    )
    .post(
      '/schedules/:id/delete',
      async ({ who, params, request }) => {
        const schedule = await own(who, params);
        await schedules.delete(schedule);
        return back(request, schedule.agentId, 'deleted');
      },
      { session: true },
    );
}

function fieldsOf({ every, time, cron, time_zone: timeZone, text, conversation }: Typed): ScheduleFields {
  const when = every === 'cron' ? cron : phraseOf({ every, time });
  return { when, timeZone, text, conversationId: conversation === '' ? null : conversation };
}

/** The page with the form that was refused. What is wrong with the times stands at the field that was used. */
function refusedPage(
  deps: SchedulesRoutesDeps,
  who: Who,
  agentId: string,
  { body, error, schedule }: { body: Typed; error: unknown; schedule?: Schedule },
): Promise<Response> {
  const refused = refusedForm(body, error);
  const { when, ...errors } = refused.form.errors;
  const form = {
    ...refused.form,
    errors: { ...errors, ...(when !== undefined && { [body.every === 'cron' ? 'cron' : 'time']: when }) },
  };
  return schedulesPage(deps, who, agentId, { refused: form, edit: schedule?.id, status: refused.status });
}

interface Shown {
  readonly said?: string | undefined;
  /** The id of the schedule whose form is open. */
  readonly edit?: string | undefined;
  /** That form as it was refused; without `edit` the one for a new schedule. */
  readonly refused?: FormState;
  readonly status?: number;
}

async function schedulesPage(
  deps: SchedulesRoutesDeps,
  who: Who,
  agentId: string,
  { said, edit, refused, status }: Shown,
): Promise<Response> {
  const agent = await deps.agents.get(who.user.id, agentId);
  const shell = await deps.shell(who, agentId);
  const all = await deps.schedules.listOfAgent(agent);
  const changed = all.find(({ id }) => id === edit);
  const open = changed && { id: changed.id, form: refused ?? formOf(changed) };
  const chosenId = (open?.form ?? refused)?.values.conversation;
  const count = (await deps.schedules.listOfUser(who.user.id)).length;
  const messages: Readonly<Record<string, string>> = textOf(who).schedules.said;
  const message = said === undefined ? undefined : messages[said];
  return page(
    who,
    <SchedulesPage
      shell={shell}
      agent={agentIn(shell)}
      schedules={all.map((one) => scheduleView(one, open))}
      conversations={await offeredConversations(deps.conversations, agent, chosenId)}
      left={Math.max(0, deps.schedules.max - count)}
      zones={Intl.supportedValuesOf('timeZone')}
      {...(refused && !open && { refused })}
      {...(message !== undefined && { flash: { kind: 'good', message } })}
    />,
    status,
  );
}
