/** The gallery's pages of usage, prices and budgets. */
import type { VNode } from 'preact';
import { shell } from '../../tests/views/fixtures';
import * as fixtures from '../../tests/views/usage-fixtures';
import { AdminBudgetsPage, AdminPricesPage, AdminUsagePage } from '../../views/admin/page';
import { UsagePage } from '../../views/usage/page';

const emptyForm = { values: {}, errors: {} };

export const usagePages: Record<string, () => VNode> = {
  usage: () => (
    <UsagePage
      shell={shell()}
      usage={fixtures.usage}
      budgets={fixtures.budgets}
      keys={fixtures.budgetSubjects.filter(({ isKey }) => isKey)}
      form={{ ...emptyForm, open: false }}
    />
  ),
  'usage-none': () => (
    <UsagePage
      shell={shell()}
      usage={{
        ...fixtures.noUsage,
        range: { ...fixtures.usage.range, errors: { from: 'Expected a day such as 2026-11-22' } },
      }}
      budgets={[]}
      keys={[]}
      form={{ ...emptyForm, open: false }}
    />
  ),
  'admin-usage': () => <AdminUsagePage shell={shell()} usage={fixtures.usage} />,
  'admin-prices': () => (
    <AdminPricesPage
      shell={shell()}
      prices={fixtures.prices}
      form={{
        values: { model: 'gpt-5.5', prompt: '1,25', completion: '10' },
        errors: { prompt: 'A number of 0 or more, such as 2.50' },
      }}
      editing="gpt-5.5"
      shared={{ values: { models: 'gpt-5.5\nglm-5.2' }, errors: { models: 'At most 200 characters each' } }}
    />
  ),
  'admin-prices-none': () => <AdminPricesPage shell={shell()} prices={[]} form={emptyForm} shared={emptyForm} />,
  'admin-budgets': () => (
    <AdminBudgetsPage
      shell={shell()}
      budgets={fixtures.budgets}
      subjects={fixtures.budgetSubjects}
      form={{
        values: { subject: 'k1', unit: 'money', soft_limit: '9' },
        errors: { soft_limit: 'Not above the hard limit' },
      }}
      flash={{ kind: 'good', message: 'Saved. It applies from the next LLM call on.' }}
    />
  ),
  'admin-budgets-none': () => (
    <AdminBudgetsPage shell={shell()} budgets={[]} subjects={fixtures.budgetSubjects} form={emptyForm} />
  ),
};
