import { Field, fieldOf } from '../kit/field';
import { FormNotice } from '../kit/notice';
import { SelectField } from '../kit/select';
import { TextArea } from '../kit/text-area';
import type { FormState } from '../models';
import { useText } from '../render';

const DAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;

interface ScheduleFormProps {
  /** `new`, or the id of a schedule: unique in the page. */
  id: string;
  action: string;
  form: FormState;
  conversations: readonly { id: string; title: string }[];
  label: string;
  /** Where one goes that leaves the form; absent where it is always shown. */
  cancelHref?: string;
}

/** What an agent is asked, when, and where the answer goes. */
export function ScheduleForm({ id, action, form, conversations, label, cancelHref }: ScheduleFormProps) {
  const { schedules: t, confirm } = useText();
  const isRefused = form.message !== undefined || Object.keys(form.errors).length > 0;
  return (
    <form method="post" action={action} class="scope-form schedule-form">
      <FormNotice form={form} />
      <TextArea
        id={`text-${id}`}
        name="text"
        label={t.text}
        rows={3}
        value={form.values.text ?? ''}
        error={form.errors.text}
        autofocus={cancelHref !== undefined && !isRefused}
      />
      <ScheduleTimes id={id} form={form} />
      <SelectField
        id={`conversation-${id}`}
        {...fieldOf(form, 'conversation')}
        label={t.conversation}
        groups={[
          {
            options: [
              { value: '', label: t.conversationNew },
              ...conversations.map((one) => ({ value: one.id, label: one.title || t.untitled })),
            ],
          },
        ]}
      />
      <div class="row">
        <button type="submit" class="button primary">
          {label}
        </button>
        {cancelHref !== undefined && (
          <a class="button" href={cancelHref}>
            {confirm.cancel}
          </a>
        )}
      </div>
    </form>
  );
}

/** When an agent is asked. The style sheet shows the field of the choice. */
function ScheduleTimes({ id, form }: Pick<ScheduleFormProps, 'id' | 'form'>) {
  const t = useText().schedules;
  const days = DAYS.map((day) => ({ value: day, label: t.every[day] }));
  return (
    <div class="schedule-times">
      <SelectField
        id={`every-${id}`}
        {...fieldOf(form, 'every')}
        label={t.times}
        groups={[
          {
            options: [
              { value: 'day', label: t.every.day },
              { value: 'weekday', label: t.every.weekday },
              ...days,
              { value: 'hour', label: t.every.hour },
              { value: 'cron', label: t.every.cron },
            ],
          },
        ]}
      />
      <div class="at-time">
        <Field id={`time-${id}`} {...fieldOf(form, 'time')} type="time" label={t.at} />
      </div>
      <div class="by-cron">
        <Field
          id={`cron-${id}`}
          {...fieldOf(form, 'cron')}
          label={t.cron}
          placeholder="0 8 * * 1-5"
          help={t.cronHelp}
          autocomplete="off"
        />
      </div>
      <Field
        id={`zone-${id}`}
        {...fieldOf(form, 'time_zone')}
        label={t.timeZone}
        list="time-zones"
        autocomplete="off"
        required
      />
    </div>
  );
}
