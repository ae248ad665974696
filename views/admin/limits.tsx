import { Field, fieldOf } from '../kit/field';
import { FormNotice } from '../kit/notice';
import type { FormState, Shell } from '../models';
import { useNumbers } from '../numbers';
import { useText } from '../render';
import { Sentence } from '../sentences';
import { AdminPage } from './page';

interface LimitsProps {
  shell: Shell;
  /** Absent: the limits of everybody. */
  user?: { id: string; name: string } | undefined;
  action: string;
  form: FormState;
  /** What applies where nothing is set; `Infinity`: no limit. */
  usual: { runners: number; agents: number };
  backends: { value: string; label: string }[];
  isSaved: boolean;
}

/** What a user may have, or everybody without limits of their own. */
export function AdminLimitsPage({ shell, user, action, form, usual, backends, isSaved }: LimitsProps) {
  const t = useText();
  const n = useNumbers();
  const helpOf = (limit: number) => t.limits.usual(limit === Infinity ? t.limits.none : n.count(limit));
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
              <label key={value}>
                <input type="checkbox" name="backends" value={value} checked={chosen.includes(value)} /> {label}
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
      <p class="quiet">
        <a href="/admin/budgets">{t.limits.budgets}</a>
      </p>
    </AdminPage>
  );
}
