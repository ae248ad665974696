import { FlashNotice, Notice } from '../kit/notice';
import { AppLayout, TitleBar } from '../layout';
import type { Flash, FormState, Shell } from '../models';
import { useText } from '../render';
import { BudgetList } from './budgets';
import { BudgetForm } from './budgets-form';
import type { BudgetSubject, BudgetView, UsageView } from './models';
import { UsageRange } from './range';
import { UsageReport } from './report';

interface UsageProps {
  shell: Shell;
  usage: UsageView;
  budgets: BudgetView[];
  /** The keys for which the user may set a budget. */
  keys: BudgetSubject[];
  /** The form for a key's budget; open while the user edits it. */
  form: FormState & { open: boolean };
  flash?: Flash | undefined;
}

/** The usage and the budgets of the signed-in user. */
export function UsagePage({ shell, usage, budgets, keys, form, flash }: UsageProps) {
  const t = useText();
  return (
    <AppLayout shell={shell} title={t.usage.title}>
      <TitleBar>{t.usage.title}</TitleBar>
      <div class="settings column">
        <FlashNotice flash={flash} id="flash" />
        <BudgetWarning budgets={budgets} />
        <UsageRange range={usage.range} action="/usage" />
        <UsageReport usage={usage}>
          <OwnBudgets budgets={budgets} keys={keys} form={form} />
        </UsageReport>
      </div>
    </AppLayout>
  );
}

/** The user's budgets, and the form to limit a key. Hidden for users without budgets and keys. */
function OwnBudgets({ budgets, keys, form }: Pick<UsageProps, 'budgets' | 'keys' | 'form'>) {
  const t = useText().budgets;
  if (budgets.length === 0 && keys.length === 0) return null;
  return (
    <section id="budgets" class="card" aria-labelledby="budgets-title">
      <h2 id="budgets-title">{t.title}</h2>
      <p class="quiet">{budgets.length === 0 ? t.mineNone : t.mineLead}</p>
      {budgets.length > 0 && <BudgetList budgets={budgets} page="/usage" />}
      {keys.length > 0 && (
        <details class="scope" open={form.open}>
          <summary>
            {t.keyTitle} <span class="quiet">{t.keyLead}</span>
          </summary>
          <BudgetForm action="/usage/budgets" subjects={keys} form={form} />
        </details>
      )}
    </section>
  );
}

function BudgetWarning({ budgets }: { budgets: BudgetView[] }) {
  const t = useText().budgets;
  const reached = (level: BudgetView['level']) => budgets.some((budget) => budget.level === level);
  if (reached('hard')) return <Notice kind="bad">{t.hardReached}</Notice>;
  return reached('soft') ? <Notice kind="info">{t.softReached}</Notice> : null;
}
