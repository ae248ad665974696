import { Field, fieldOf } from '../kit/field';
import { FormNotice } from '../kit/notice';
import type { FormState, Shell } from '../models';
import { useNumbers } from '../numbers';
import { useText } from '../render';
import { Sentence } from '../sentences';
import { AdminPage } from './page';

/** What applies where nothing is set; `Infinity`: no limit. */
export interface UsualLimit {
  readonly limit: number;
  readonly from: 'everybody' | 'settings';
}

/** The budget that applies, if there is one, and where it is set. */
export interface BudgetLine {
  readonly href: string;
  readonly unit?: 'tokens' | 'money';
  readonly period?: 'day' | 'month';
  readonly softLimit?: number;
  readonly hardLimit?: number;
  readonly isOfEverybody?: boolean;
}

interface LimitsProps {
  shell: Shell;
  /** Absent: the limits of everybody. */
  user?: { id: string; name: string } | undefined;
  action: string;
  form: FormState;
  usual: { runners: UsualLimit; agents: UsualLimit };
  budget: BudgetLine;
  backends: { value: string; label: string }[];
  isSaved: boolean;
}

/** What a user may have, or everybody without limits of their own. */
export function AdminLimitsPage({ shell, user, action, form, usual, budget, backends, isSaved }: LimitsProps) {
  const t = useText();
  const n = useNumbers();
  const helpOf = ({ limit, from }: UsualLimit) =>
    t.limits.usual(limit === Infinity ? t.limits.none : n.count(limit), t.limits.from[from]);
  const chosen = form.values.backends?.split(' ') ?? [];
  const error = form.errors.backends;
  return (
    <AdminPage shell={shell} flash={isSaved ? { kind: 'good', message: t.limits.saved } : undefined} tab="users">
      <p>{user ? <a href={`/admin/users/${user.id}`}>{user.name}</a> : <a href="/admin/users">{t.users.all}</a>}</p>
      <section id="limits" class="card" aria-labelledby="limits-title">
        <h2 id="limits-title" class="verbatim" dir="auto">
          {user ? t.limits.ofUser(user.name) : t.limits.ofEverybody}
        </h2>
        <p class="quiet">{user ? t.limits.lead : t.limits.everybodyLead}</p>
        <form method="post" action={action} class="scope-form">
          <FormNotice form={form} />
          <div class="field-row">
            <Field
              id="limit-runners"
              {...fieldOf(form, 'runners')}
              label={t.limits.runners}
              inputmode="decimal"
              help={helpOf(usual.runners)}
              autocomplete="off"
            />
            <Field
              id="limit-agents"
              {...fieldOf(form, 'agents')}
              label={t.limits.agents}
              inputmode="decimal"
              help={helpOf(usual.agents)}
              autocomplete="off"
            />
          </div>
          <fieldset class="choices" aria-describedby={error ? 'limit-backends-error' : 'limit-backends-help'}>
            <legend>{t.limits.backends}</legend>
            {backends.map(({ value, label }) => (
              <label key={value} for={`limit-backend-${value}`}>
                <input
                  id={`limit-backend-${value}`}
                  type="checkbox"
                  name="backends"
                  value={value}
                  checked={chosen.includes(value)}
                />{' '}
                {label}
              </label>
            ))}
            {error && (
              <p id="limit-backends-error" class="field-error">
                <Sentence of={error} />
              </p>
            )}
            <p id="limit-backends-help" class="field-help">
              {user ? t.limits.backendsHelp : t.limits.everybodyBackendsHelp}
            </p>
          </fieldset>
          <div class="row">
            <button type="submit" class="button primary">
              {t.limits.save}
            </button>
          </div>
        </form>
      </section>
      <BudgetCard budget={budget} isOfUser={user !== undefined} />
    </AdminPage>
  );
}

/** How much may be used, and who has said so. */
function BudgetCard({ budget, isOfUser }: { budget: BudgetLine; isOfUser: boolean }) {
  const { limits: t, budgets } = useText();
  const n = useNumbers();
  const { href, unit, period, softLimit, hardLimit, isOfEverybody } = budget;
  const amountOf = (amount: number) => (unit === 'money' ? n.money(amount) : n.count(amount));
  const source = isOfEverybody ? t.from.everybody : t.from.own;
  const told =
    unit === undefined || period === undefined
      ? [t.noBudget]
      : [
          ...(hardLimit === undefined ? [] : [budgets.units[unit](amountOf(hardLimit))]),
          ...(softLimit === undefined ? [] : [budgets.soft(amountOf(softLimit))]),
          isOfUser ? t.per[period] : budgets.perPeriod[period],
          ...(isOfUser ? [source] : []),
        ];
  return (
    <section id="limits-budget" class="card" aria-labelledby="limits-budget-title">
      <h2 id="limits-budget-title">{t.budget}</h2>
      <p class="quiet">{told.join(' · ')}</p>
      <p>
        <a href={href} class="button">
          {t.setBudget}
        </a>
      </p>
    </section>
  );
}
