import { Confirm } from '../kit/confirm';
import { Time } from '../kit/time';
import { type Numbers, useNumbers } from '../numbers';
import { useText } from '../render';
import type { BudgetView } from './models';

interface BudgetsProps {
  budgets: BudgetView[];
  /** Path of the page that changes budgets. A budget that is not `isOwn` is shown without its controls. */
  page: '/usage' | '/admin/budgets';
}

/** Budgets, and how much of each is used. */
export function BudgetList({ budgets, page }: BudgetsProps) {
  return (
    <ul class="rows">
      {budgets.map((budget) => (
        <li key={budget.subjectId} id={`budget-${budget.subjectId}`}>
          <BudgetState budget={budget} isMine={page === '/usage'} />
          {(page === '/admin/budgets' || budget.isKey) && <BudgetControls budget={budget} page={page} />}
        </li>
      ))}
    </ul>
  );
}

function BudgetState({ budget, isMine }: { budget: BudgetView; isMine: boolean }) {
  const t = useText().budgets;
  const label = isMine && !budget.isKey ? t.yours : budget.label;
  const { isKey, owner, level } = budget;
  const most = budget.hardLimit ?? budget.softLimit ?? 0;
  const { used } = budget;
  const share = most > 0 ? Math.min(1, (used ?? 0) / most) : 1;
  return (
    <div class="budget">
      <p class="budget-head">
        <span class="ellipsis" dir="auto">
          {label}
        </span>
        {isKey && (
          <span class="quiet ellipsis budget-owner">{isMine || owner === undefined ? t.key : t.ofOwner(owner)}</span>
        )}
        {budget.isOfEverybody && <span class="quiet">{t.asEverybody}</span>}
        {used !== undefined && level !== 'within' && (
          <span class="badge" data-level={level}>
            <span class="dot" aria-hidden="true" />
            {t.levels[level]}
          </span>
        )}
      </p>
      {used === undefined ? (
        <BudgetLimits budget={budget} />
      ) : (
        <>
          <meter aria-label={t.meter(label)} min={0} max={1} value={share} data-level={level} />
          <BudgetNumbers budget={budget} used={used} />
        </>
      )}
    </div>
  );
}

/** A budget that is not one person's: how much each may use. */
function BudgetLimits({ budget: { unit, period, softLimit, hardLimit } }: { budget: BudgetView }) {
  const t = useText().budgets;
  const n = useNumbers();
  const told = [
    ...(hardLimit === undefined ? [] : [t.units[unit](amountOf(n, unit, hardLimit))]),
    ...(softLimit === undefined ? [] : [t.soft(amountOf(n, unit, softLimit))]),
  ];
  return (
    <p class="quiet">
      {told.join(' · ')} {t.perPeriod[period]}
    </p>
  );
}

function BudgetNumbers({ budget, used: amount }: { budget: BudgetView; used: number }) {
  const t = useText().budgets;
  const n = useNumbers();
  const { unit, softLimit, hardLimit } = budget;
  const used = amountOf(n, unit, amount);
  const period = t.periods[budget.period];
  const most = hardLimit === undefined ? undefined : t.units[unit](amountOf(n, unit, hardLimit));
  return (
    <p class="quiet">
      {most === undefined ? t.usedOnly(t.units[unit](used), period) : t.used(used, most, period)}
      {softLimit !== undefined && <> · {t.soft(amountOf(n, unit, softLimit))}</>} · {t.resets}{' '}
      <Time ms={budget.resetsAtMs} />
    </p>
  );
}

function BudgetControls({ budget, page }: { budget: BudgetView; page: BudgetsProps['page'] }) {
  const t = useText().budgets;
  const { subjectId, label } = budget;
  return (
    <div class="row-actions">
      <a
        class="button"
        href={`${page}?budget=${encodeURIComponent(subjectId)}#set-budget`}
        aria-label={t.changeOf(label)}
      >
        {t.change}
      </a>
      <Confirm
        id={`remove-budget-${subjectId}`}
        triggerClass="button quiet-button"
        trigger={t.remove}
        triggerLabel={t.removeOf(label)}
        question={t.removeQuestion(label)}
        consequence={t.removeConsequence}
        action={page === '/usage' ? '/usage/budgets/remove' : '/admin/budgets/remove'}
        label={t.remove}
        fields={{ subject: subjectId }}
      />
    </div>
  );
}

function amountOf(n: Numbers, unit: BudgetView['unit'], amount: number): string {
  return unit === 'money' ? n.money(amount) : n.count(amount);
}
