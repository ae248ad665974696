import { TableBox } from '../kit/table-box';
import { useNumbers } from '../numbers';
import { useText } from '../render';
import { TimeChart } from './chart';
import type { UsageLine, UsageTableView, UsageView } from './models';

/** Usage by one dimension, largest first. */
export function UsageTable({ table }: { table: UsageTableView }) {
  const id = `${table.id}-title`;
  return (
    <section id={table.id} class="card" aria-labelledby={id}>
      <h2 id={id}>{table.title}</h2>
      <Lines lines={table.lines} nameOfLines={table.nameOfLines} labelledBy={id} withShare />
    </section>
  );
}

/** The days or weeks as a chart, and below it as a collapsed table. */
export function UsageTimes({ step, times }: Pick<UsageView, 'step' | 'times'>) {
  const t = useText();
  const n = useNumbers();
  const used = times.filter(({ calls }) => calls > 0).map((time) => ({ ...time, name: n.day(time.key) }));
  return (
    <section id="by-time" class="card" aria-labelledby="by-time-title">
      <h2 id="by-time-title">{t.usage.times[step].title}</h2>
      <TimeChart step={step} times={times} />
      <details class="scope">
        <summary>{t.usage.asTable}</summary>
        <Lines lines={used} nameOfLines={t.usage.times[step].name} labelledBy="by-time-title" />
      </details>
    </section>
  );
}

interface LinesProps {
  lines: UsageLine[];
  nameOfLines: string;
  labelledBy: string;
  /** Whether each line shows its share of the total. */
  withShare?: boolean;
}

function Lines({ lines, nameOfLines, labelledBy, withShare }: LinesProps) {
  const t = useText();
  const n = useNumbers();
  const withCost = lines.some(({ cost }) => cost > 0);
  const all = lines.reduce((sum, line) => sum + line.promptTokens + line.completionTokens, 0);
  return (
    <TableBox labelledBy={labelledBy}>
      <thead>
        <tr>
          <th scope="col">{nameOfLines}</th>
          <th scope="col">{t.usage.callsShort}</th>
          <th scope="col">{t.usage.prompt}</th>
          <th scope="col">{t.usage.completion}</th>
          {withCost && <th scope="col">{t.usage.cost}</th>}
        </tr>
      </thead>
      <tbody>
        {lines.map((line) => (
          <tr key={line.key}>
            <th scope="row">
              <span dir="auto">{breakable(line.name)}</span>
              {withShare && <Share of={all} tokens={line.promptTokens + line.completionTokens} />}
            </th>
            <td>{n.count(line.calls)}</td>
            <td>{n.count(line.promptTokens)}</td>
            <td>{n.count(line.completionTokens)}</td>
            {withCost && <td>{n.money(line.cost)}</td>}
          </tr>
        ))}
      </tbody>
    </TableBox>
  );
}

/** With places to break at, so that an address in a narrow column is not broken within a word. */
function breakable(name: string) {
  return name.split(/(?<=[@./])/).flatMap((part, index) => (index === 0 ? [part] : [<wbr key={part} />, part]));
}

/** A bar for the line's share of all tokens; the numbers beside it say the same. */
function Share({ of, tokens }: { of: number; tokens: number }) {
  if (of === 0) return null;
  return (
    <svg class="share-bar" aria-hidden="true">
      <rect class="share-all" width="100%" height="100%" rx="2" />
      <rect class="share-own" width={`${Math.round((tokens / of) * 1000) / 10}%`} height="100%" rx="2" />
    </svg>
  );
}
