import type { ComponentChildren } from 'preact';
import { KeyList, type OwnedKeyView } from '../accounts/key-list';
import { FlashNotice } from '../kit/notice';
import { AppLayout, TitleBar } from '../layout';
import type { Flash, FormState, Shell } from '../models';
import { useText } from '../render';
import { BudgetList } from '../usage/budgets';
import { BudgetForm } from '../usage/budgets-form';
import type { BudgetSubject, BudgetView, PriceView, UsageView } from '../usage/models';
import { PriceForm, PriceTable } from '../usage/prices';
import { UsageRange } from '../usage/range';
import { UsageReport } from '../usage/report';
import { SharedModels } from '../usage/shared-models';
import { type AdminTab, AdminTabs } from './tabs';

interface AdminProps {
  shell: Shell;
  flash?: Flash | undefined;
}

/** The usage of all users. */
export function AdminUsagePage({ usage, ...props }: AdminProps & { usage: UsageView }) {
  return (
    <AdminPage {...props} tab="usage">
      <UsageRange range={usage.range} action="/admin/usage" />
      <UsageReport usage={usage} />
    </AdminPage>
  );
}

interface PricesProps extends AdminProps {
  prices: PriceView[];
  form: FormState;
  /** The model whose price the form changes; absent: the form adds a price. */
  editing?: string | undefined;
  /** The models for which the shared key may be used. */
  shared: FormState;
}

/** The prices of models. */
export function AdminPricesPage({ prices, form, editing, shared, ...props }: PricesProps) {
  return (
    <AdminPage {...props} tab="prices">
      <PriceTable prices={prices} />
      <PriceForm form={form} editing={editing} />
      <SharedModels form={shared} />
    </AdminPage>
  );
}

interface BudgetsProps extends AdminProps {
  budgets: BudgetView[];
  /** Where the next of them are. */
  moreHref?: string | undefined;
  /** Absent where there are too many to choose from. */
  subjects?: BudgetSubject[] | undefined;
  form: FormState;
}

/** The budgets of users and their keys. */
export function AdminBudgetsPage({ budgets, moreHref, subjects, form, ...props }: BudgetsProps) {
  const t = useText();
  return (
    <AdminPage {...props} tab="budgets">
      <section id="budgets" class="card" aria-labelledby="budgets-title">
        <h2 id="budgets-title">{t.budgets.title}</h2>
        <p class="quiet">{t.budgets.lead}</p>
        {budgets.length === 0 ? <p>{t.budgets.none}</p> : <BudgetList budgets={budgets} page="/admin/budgets" />}
        {moreHref && (
          <p>
            <a href={moreHref}>{t.budgets.more}</a>
          </p>
        )}
      </section>
      <section class="card" aria-labelledby="set-budget-title">
        <h2 id="set-budget-title">{t.budgets.set}</h2>
        <BudgetForm action="/admin/budgets" subjects={subjects} form={form} />
      </section>
    </AdminPage>
  );
}

interface KeysProps extends AdminProps {
  keys: OwnedKeyView[];
  /** The page with the next keys. */
  moreHref?: string | undefined;
}

/** The keys of all users. */
export function AdminKeysPage({ keys, moreHref, ...props }: KeysProps) {
  const t = useText();
  return (
    <AdminPage {...props} tab="keys">
      <section id="keys" class="card" aria-labelledby="keys-title">
        <h2 id="keys-title">{t.settings.sections.keys}</h2>
        <p class="quiet">{t.keys.allLead}</p>
        <KeyList keys={keys} action="/admin/keys" />
        {moreHref && (
          <p>
            <a href={moreHref}>{t.keys.more}</a>
          </p>
        )}
      </section>
    </AdminPage>
  );
}

interface FrameProps extends AdminProps {
  tab: AdminTab;
  /** The stream of what changes on the page and around it; absent where that is only what is around it. */
  liveUrl?: string;
  children: ComponentChildren;
}

/** The frame of every page of the administrator. */
export function AdminPage({ shell, flash, tab, liveUrl, children }: FrameProps) {
  const t = useText();
  // Which links its sidebar has.
  const [, links = ''] = shell.liveUrl.split('?');
  return (
    <AppLayout shell={shell} title={t.admin[tab]} liveUrl={liveUrl && `${liveUrl}&${links}`}>
      <TitleBar>{t.admin.label}</TitleBar>
      <div class="settings column">
        <AdminTabs current={tab} />
        <FlashNotice flash={flash} id="flash" />
        {children}
      </div>
    </AppLayout>
  );
}
