import { Field } from '../kit/field';
import { Notice } from '../kit/notice';
import { SelectField } from '../kit/select';
import type { BudgetSubject, FormState } from '../models';
import { useText } from '../render';

interface BudgetFormProps {
  action: string;
  /** Absent where there are too many to choose from: then one is typed. */
  subjects?: BudgetSubject[] | undefined;
  form: FormState;
}

/** Sets the budget of a user or a key, or changes the one there is. */
export function BudgetForm({ action, subjects, form }: BudgetFormProps) {
  const t = useText().budgets;
  const { values, errors } = form;
  const limit = { type: 'text', inputmode: 'decimal', autocomplete: 'off' } as const;
  return (
    <form id="set-budget" method="post" action={action} class="field-grid">
      {form.message && (
        <Notice kind="bad" role="alert">
          {form.message}
        </Notice>
      )}
      {subjects ? (
        <SelectField
          id="budget-subject"
          name="subject"
          label={t.subject}
          value={values.subject}
          error={errors.subject}
          groups={[
            { label: t.users, options: subjects.filter(({ isKey }) => !isKey).map(optionOf) },
            { label: t.keys, options: subjects.filter(({ isKey }) => isKey).map(optionOf) },
          ]}
        />
      ) : (
        <Field
          id="budget-subject"
          name="subject"
          label={t.subject}
          help={t.subjectHelp}
          value={values.subject}
          error={errors.subject}
          autocomplete="off"
          required
        />
      )}
      <SelectField
        id="budget-unit"
        name="unit"
        label={t.unit}
        value={values.unit}
        error={errors.unit}
        groups={[{ options: (['tokens', 'money'] as const).map((value) => ({ value, label: t.unitNames[value] })) }]}
      />
      <SelectField
        id="budget-period"
        name="period"
        label={t.period}
        value={values.period}
        error={errors.period}
        groups={[{ options: (['month', 'day'] as const).map((value) => ({ value, label: t.periodNames[value] })) }]}
      />
      <Field
        id="budget-soft"
        name="soft_limit"
        label={t.softLimit}
        help={t.softHelp}
        value={values.soft_limit}
        error={errors.soft_limit}
        {...limit}
      />
      <Field
        id="budget-hard"
        name="hard_limit"
        label={t.hardLimit}
        help={t.hardHelp}
        value={values.hard_limit}
        error={errors.hard_limit}
        {...limit}
      />
      <div class="row end">
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
