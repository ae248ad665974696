import { AgentPage } from '../agents/page';
import { Confirm } from '../kit/confirm';
import { FlashNotice } from '../kit/notice';
import { Time } from '../kit/time';
import type { AgentView, Flash, FormState, Shell } from '../models';
import { useText } from '../render';
import { Sentence } from '../sentences';
import { ScheduleForm } from './form';
import type { ScheduleView } from './models';

interface SchedulesProps {
  shell: Shell;
  agent: AgentView;
  schedules: readonly ScheduleView[];
  /** Where answers may go. */
  conversations: readonly { id: string; title: string }[];
  /** How many schedules the user may still make. */
  left: number;
  /** Names of time zones. */
  zones: readonly string[];
  /** The form of a new one, as it was refused. */
  refused?: FormState;
  flash?: Flash;
}

const NEW: FormState = { values: { every: 'weekday', time: '08:00' }, errors: {} };

/** The times at which an agent is asked by itself. */
export function SchedulesPage({ shell, agent, schedules, conversations, left, zones, refused, flash }: SchedulesProps) {
  const t = useText().schedules;
  const path = `/agents/${agent.agentId}/schedules`;
  return (
    <AgentPage shell={shell} agent={agent} tab="schedules">
      <datalist id="time-zones">
        {zones.map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
      <FlashNotice flash={flash} id="flash" />
      {/* Without a form that is open: its fields stay as they are. */}
      <section
        id="schedules"
        class="card"
        aria-labelledby="schedules-title"
        {...(schedules.every(({ form }) => !form) && {
          'hx-get': path,
          'hx-trigger': 'schedule from:#live',
          'hx-select': '#schedules',
          'hx-swap': 'outerMorph',
          // The page of an error has no such section.
          ...{ 'hx-status:4xx': 'swap:none', 'hx-status:5xx': 'swap:none' },
        })}
      >
        <h2 id="schedules-title">{t.title}</h2>
        <p class="quiet">{t.lead}</p>
        {schedules.length > 0 && (
          <ul class="rows">
            {schedules.map((schedule) => (
              <ScheduleRow key={schedule.id} schedule={schedule} path={path} conversations={conversations} />
            ))}
          </ul>
        )}
      </section>
      <section id="new-schedule" class="card" aria-labelledby="new-schedule-title">
        <h2 id="new-schedule-title">{t.create}</h2>
        {left === 0 ? (
          <p class="quiet">{t.createNone}</p>
        ) : (
          <ScheduleForm
            id="new"
            action={path}
            form={refused ?? NEW}
            conversations={conversations}
            label={t.createNow}
          />
        )}
      </section>
    </AgentPage>
  );
}

interface RowProps extends Pick<SchedulesProps, 'conversations'> {
  schedule: ScheduleView;
  /** Path of the page. */
  path: string;
}

function ScheduleRow({ schedule, path, conversations }: RowProps) {
  const t = useText().schedules;
  const { id, cron, simple, timeZone, text, isPaused, form } = schedule;
  const name = simple ? t.when(simple.every, simple.time) : cron;
  return (
    <li class="schedule" id={`schedule-${id}`}>
      <div class="schedule-about">
        <p class="row-title">
          {simple ? name : <code>{cron}</code>} <span class="quiet">{timeZone}</span>
          {isPaused && <span class="badge">{t.paused}</span>}
        </p>
        <p class="schedule-text" dir="auto">
          {text}
        </p>
        <ScheduleTimes schedule={schedule} />
      </div>
      <ScheduleActions schedule={schedule} name={name} path={path} />
      {form && (
        <ScheduleForm
          id={id}
          action={`/schedules/${id}`}
          form={form}
          conversations={conversations}
          label={t.save}
          cancelHref={`${path}#schedule-${id}`}
        />
      )}
    </li>
  );
}

function ScheduleActions({ schedule, name, path }: Omit<RowProps, 'conversations'> & { name: string }) {
  const t = useText().schedules;
  const { id, isPaused, form } = schedule;
  const action = `/schedules/${id}`;
  return (
    <div class="row">
      <form method="post" action={`${action}/run`}>
        <button type="submit" class="button" aria-label={t.runNamed(name)}>
          {t.run}
        </button>
      </form>
      {!form && (
        <a class="button" href={`${path}?edit=${id}`} aria-label={t.editNamed(name)}>
          {t.edit}
        </a>
      )}
      <form method="post" action={`${action}/${isPaused ? 'resume' : 'pause'}`}>
        <button type="submit" class="button" aria-label={isPaused ? t.resumeNamed(name) : t.pauseNamed(name)}>
          {isPaused ? t.resume : t.pause}
        </button>
      </form>
      <Confirm
        id={`delete-${id}`}
        triggerClass="button quiet-button"
        trigger={t.delete}
        triggerLabel={t.deleteNamed(name)}
        question={t.deleteQuestion}
        consequence={t.deleteConsequence}
        action={`${action}/delete`}
        label={t.delete}
      />
    </div>
  );
}

/** When it is next, and what became of the last time. */
function ScheduleTimes({ schedule: { nextAtMs, isPaused, last } }: { schedule: ScheduleView }) {
  const t = useText().schedules;
  return (
    <p class="quiet">
      {nextAtMs !== undefined && (
        <>
          {t.next} <Time ms={nextAtMs} />
        </>
      )}
      {nextAtMs === undefined && !isPaused && t.never}
      {last && (
        <>
          {(nextAtMs !== undefined || !isPaused) && ' · '}
          {t.last} <Time ms={last.atMs} />
          {last.conversationId !== undefined && (
            <>
              {' · '}
              <a href={`/conversations/${last.conversationId}`}>{t.answer}</a>
            </>
          )}
          {last.problem !== undefined && (
            <>
              {' · '}
              <span class="schedule-problem">
                {t.notAsked} <Sentence of={last.problem} />
              </span>
            </>
          )}
        </>
      )}
    </p>
  );
}
