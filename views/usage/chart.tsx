import { useNumbers } from '../numbers';
import { useText } from '../render';
import type { UsageLine, UsageView } from './models';

/** Width of a bar in percent of its place, and its maximum in percent of the chart, for ranges with few days. */
const BAR_SHARE = 0.72;
const BAR_MAX = 5;
/** Minimum height in percent, so that a bar with little usage is visible. */
const VISIBLE = 1.5;

/**
 * Tokens by day or week: one bar each, input tokens below output tokens. Positions are percentages, so that the chart fits any
 * width without stretching its text. The table beside it has the same numbers for people who cannot see the chart.
 */
export function TimeChart({ step, times }: Pick<UsageView, 'step' | 'times'>) {
  const t = useText();
  const n = useNumbers();
  const most = Math.max(...times.map(tokensOf));
  const top = niceCeiling(most);
  const y = (tokens: number) => 100 - (tokens / top) * 100;
  const lines = [top, top / 2, 0];
  const sum = times.reduce((total, time) => total + tokensOf(time), 0);
  const place = 100 / times.length;
  return (
    <figure class="chart">
      <div class="chart-scale" aria-hidden="true">
        {lines.map((tokens) => (
          <span key={tokens}>{n.count(tokens)}</span>
        ))}
      </div>
      <svg role="img" aria-label={t.usage.chart(t.usage.times[step].count(times.length), n.count(sum))}>
        {lines.map((tokens) => (
          <line key={tokens} x1="0" x2="100%" y1={percent(y(tokens))} y2={percent(y(tokens))} />
        ))}
        {times.map((time, index) => (
          <Bar key={time.key} time={time} x={index * place} place={place} y={y} />
        ))}
      </svg>
      <div class="chart-days" aria-hidden="true">
        {labelled(times).map(({ key }) => (
          <span key={key}>{n.day(key)}</span>
        ))}
      </div>
      <figcaption class="legend">
        <span class="legend-in">{t.usage.prompt}</span>
        <span class="legend-out">{t.usage.completion}</span>
      </figcaption>
    </figure>
  );
}

function Bar({ time, x, place, y }: { time: UsageLine; x: number; place: number; y: (tokens: number) => number }) {
  const t = useText();
  const n = useNumbers();
  const tokens = tokensOf(time);
  const width = Math.min(place * BAR_SHARE, BAR_MAX);
  const from = percent(x + (place - width) / 2);
  const bottomOfOut = y(time.promptTokens);
  const topOfAll = Math.min(y(tokens), 100 - VISIBLE);
  return (
    <g class="bar">
      <title>{t.usage.bar(n.day(time.key), n.count(tokens), n.count(time.calls))}</title>
      <rect class="bar-place" x={percent(x)} width={percent(place)} y="0" height="100%" />
      {tokens > 0 && (
        <>
          <rect
            class="bar-out"
            x={from}
            width={percent(width)}
            y={percent(topOfAll)}
            height={percent(100 - topOfAll)}
            rx="2"
          />
          {time.promptTokens > 0 && (
            <rect
              class="bar-in"
              x={from}
              width={percent(width)}
              y={percent(bottomOfOut)}
              height={percent(100 - bottomOfOut)}
            />
          )}
        </>
      )}
    </g>
  );
}

function tokensOf({ promptTokens, completionTokens }: UsageLine): number {
  return promptTokens + completionTokens;
}

/** The next larger number of the form digit and zeros, so that grid lines are at round numbers. */
function niceCeiling(most: number): number {
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return Math.ceil(most / power) * power;
}

/** The first, the middle and the last. */
function labelled(times: UsageLine[]): UsageLine[] {
  const middle = times.length > 2 && times.length % 2 === 1 ? times[(times.length - 1) / 2] : undefined;
  return [...new Set([times[0], middle, times.at(-1)])].filter((time) => time !== undefined);
}

function percent(value: number): string {
  return `${Math.round(value * 100) / 100}%`;
}
