import { Field } from '../kit/field';
import { useText } from '../render';
import type { UsageRangeView } from './models';

/** Chooses the days of a page: links for common ranges, a form for others. Both lead to plain URLs. */
export function UsageRange({ range, action }: { range: UsageRangeView; action: string }) {
  const t = useText();
  return (
    <div id="range" class="range">
      <nav class="segments" aria-label={t.usage.range}>
        {range.presets.map(({ label, from, to, current }) => (
          <a key={label} href={`${action}?from=${from}&to=${to}`} aria-current={current ? 'true' : undefined}>
            {label}
          </a>
        ))}
      </nav>
      <form method="get" action={action} class="range-form">
        <Field id="from" name="from" type="date" label={t.usage.from} value={range.from} error={range.errors.from} />
        <span class="range-dash" aria-hidden="true">
          –
        </span>
        <Field id="to" name="to" type="date" label={t.usage.to} value={range.to} error={range.errors.to} />
        <button type="submit" class="button">
          {t.usage.show}
        </button>
      </form>
    </div>
  );
}
