import type { ComponentChildren } from 'preact';
import { Icon } from '../icons';
import { useText } from '../render';
import { UsageTotals } from './figures';
import type { UsageView } from './models';
import { UsageTable, UsageTimes } from './table';

/** Usage of some days: totals, days, and tables by dimension. `children` come after the totals. */
export function UsageReport({ usage, children }: { usage: UsageView; children?: ComponentChildren }) {
  const t = useText();
  if (usage.totals.calls === 0) {
    return (
      <div id="report" class="report">
        <section class="card nothing">
          <h2>{t.usage.none}</h2>
          <p class="quiet">{t.usage.noneHelp}</p>
        </section>
        {children}
      </div>
    );
  }
  return (
    <div id="report" class="report">
      <UsageTotals totals={usage.totals} />
      {children}
      <UsageTimes step={usage.step} times={usage.times} />
      {usage.tables.map((table) => (
        <UsageTable key={table.id} table={table} />
      ))}
      <div class="report-end">
        <p class="field-help">{t.usage.daysAreUtc}</p>
        <a class="button" href={usage.csvHref} download>
          <Icon name="download" />
          {t.usage.csv}
        </a>
      </div>
    </div>
  );
}
