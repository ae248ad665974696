import { useNumbers } from '../numbers';
import { useText } from '../render';
import type { UsageFigures } from './models';

/** The totals in large type. */
export function UsageTotals({ totals }: { totals: UsageFigures }) {
  const t = useText().usage;
  const n = useNumbers();
  const { promptTokens, completionTokens, calls, estimatedCalls, cachedTokens, cost } = totals;
  return (
    <dl id="totals" class="figures">
      <Figure
        name={t.tokens}
        value={n.count(promptTokens + completionTokens)}
        help={t.tokensHelp(n.count(promptTokens), n.count(completionTokens))}
      />
      <Figure
        name={t.calls}
        value={n.count(calls)}
        help={estimatedCalls > 0 ? t.estimated(n.count(estimatedCalls)) : t.counted}
      />
      {cachedTokens > 0 && (
        <Figure
          name={t.cached}
          value={n.count(cachedTokens)}
          help={t.cachedHelp(n.percent(cachedTokens / promptTokens))}
        />
      )}
      {cost > 0 && <Figure name={t.cost} value={n.money(cost)} help={t.costHelp} />}
    </dl>
  );
}

/** One number in large type, with its name above it and an explanation below. */
export function Figure({ name, value, help }: { name: string; value: string; help?: string }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd class="figure-value">{value}</dd>
      {help && <dd class="field-help">{help}</dd>}
    </div>
  );
}
