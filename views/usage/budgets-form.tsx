import { Field, fieldOf } from '../kit/field';
import { FormNotice } from '../kit/notice';
import { SelectField } from '../kit/select';
import type { FormState } from '../models';
import { useText } from '../render';
import type { BudgetSubject } from './models';

interface BudgetFormProps {
  action: string;
  /** Absent where there are too many to choose from: then one is typed. */
  subjects?: BudgetSubject[] | undefined;
  form: FormState;
}

/** Sets the budget of a user or a key, or changes the existing one. */
export function BudgetForm({ action, subjects, form }: BudgetFormProps) {
  const t = useText().budgets;
  const limit = { type: 'text', inputmode: 'decimal', autocomplete: 'off' } as const;
  return (
    <form id="set-budget" method="post" action={action} class="field-grid">
      <FormNotice form={form} />
      {subjects ? (
        <SelectField
          id="budget-subject"
          {...fieldOf(form, 'subject')}
          label={t.subject}
          groups={[
            { label: t.users, options: subjects.filter(({ isKey }) => !isKey).map(optionOf) },
            { label: t.keys, options: subjects.filter(({ isKey }) => isKey).map(optionOf) },
          ]}
        />
      ) : (
        <Field
          id="budget-subject"
          {...fieldOf(form, 'subject')}
          label={t.subject}
          help={t.subjectHelp}
          autocomplete="off"
          required
        />
      )}
      <SelectField
        id="budget-unit"
        {...fieldOf(form, 'unit')}
        label={t.unit}
        groups={[{ options: (['tokens', 'money'] as const).map((value) => ({ value, label: t.unitNames[value] })) }]}
      />
      <SelectField
        id="budget-period"
        {...fieldOf(form, 'period')}
        label={t.period}
        groups={[{ options: (['month', 'day'] as const).map((value) => ({ value, label: t.periodNames[value] })) }]}
      />
      <Field id="budget-soft" {...fieldOf(form, 'soft_limit')} label={t.softLimit} help={t.softHelp} {...limit} />
      <Field id="budget-hard" {...fieldOf(form, 'hard_limit')} label={t.hardLimit} help={t.hardHelp} {...limit} />
      <div class="row">
        <button type="submit" class="button primary">
          {t.save}
        </button>
      </div>
    </form>
  );
}

function optionOf({ id, label }: BudgetSubject) {
  return { value: id, label };
}
