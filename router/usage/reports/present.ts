/** Presents usage reports for pages and the API. Looks up names; decides nothing. */

import type { Text } from '../../../views/locales';
import type { UsageFigures, UsageLine, UsageView } from '../../../views/usage/models';
import { clip } from '../../lib/text';
import { type Reader, textOf } from '../../web/reader';
import type { UsageDimension, UsageTotals } from '../store/calls';
import { type Days, type NamedGroup, type Scope, stepOf, timesIn, type UsageService } from './reports';

/** The dimensions by which a page divides its days. */
type Division = Exclude<UsageDimension, 'day'>;

/** Lines of a table on a page. The API returns all lines. */
const LINES_MAX = 100;
/** Characters of a name that are shown: clients choose the names of models. */
const NAME_MAX = 200;
const FIGURES = [
  ...(['calls', 'promptTokens', 'completionTokens', 'cachedTokens', 'reasoningTokens', 'cost'] as const),
  'estimatedCalls',
] as const;

export interface UsagePageOf {
  readonly scope: Scope;
  readonly divisions: readonly Division[];
  readonly apiPath: string;
  /** The dates as typed, and the errors of the fields. */
  readonly refused?: { readonly typed: Days; readonly errors: Readonly<Record<string, string>> };
}

export async function usageView(
  { usage }: { readonly usage: UsageService },
  reader: Reader,
  { scope, divisions, apiPath, refused }: UsagePageOf,
) {
  const text = textOf(reader).usage;
  const { days } = scope;
  const totals = figures(await usage.totals(scope));
  const step = stepOf(days);
  const used = await usage.groups(scope, 'day');
  const tables = await Promise.all(
    divisions.map(async (by) => ({
      id: `by-${by}`,
      title: text.tables[by],
      nameOfLines: text.name[by],
      lines: linesOf(await usage.groups(scope, by, LINES_MAX + 1), { by, totals, text }),
    })),
  );
  const view: UsageView = {
    range: {
      ...(refused?.typed ?? days),
      presets: Object.entries(usage.usualDays()).map(([name, { from, to }]) => ({
        label: text.presets[name as keyof typeof text.presets],
        from,
        to,
        current: !refused && from === days.from && to === days.to,
      })),
      errors: { ...refused?.errors },
    },
    totals,
    step,
    times: timesOf(days, step, used),
    // Omits tables whose only key is empty.
    tables: tables.filter(({ lines }) => lines.some(({ key }) => key !== '')),
    csvHref: `${apiPath}?format=csv&from=${days.from}&to=${days.to}`,
  };
  return view;
}

/** Every day or week of a page, with the figures of its days. */
function timesOf(days: Days, step: UsageView['step'], used: readonly NamedGroup[]): UsageLine[] {
  const times = timesIn(days, step).map((key) => ({ ...figures(), key, name: key }));
  let index = 0;
  for (const day of used) {
    while (day.key >= (times[index + 1]?.key ?? '~')) index += 1;
    const time = times[index];
    if (time) for (const name of FIGURES) time[name] += day[name];
  }
  return times;
}

/** When there are too many groups, the last line sums up the rest. */
function linesOf(
  groups: readonly NamedGroup[],
  { by, totals, text }: { by: Division; totals: UsageFigures; text: Text['usage'] },
): UsageLine[] {
  const lines = groups.slice(0, LINES_MAX).map((group) => usageLine(group, by, text));
  if (groups.length <= LINES_MAX) return lines;
  const others = { ...totals };
  for (const line of lines) for (const name of FIGURES) others[name] -= line[name];
  return [...lines, { ...others, key: 'others', name: text.others }];
}

function usageLine(group: NamedGroup, by: Division, text: Text['usage']): UsageLine {
  const name = group.name || nameless(group.key, by, text.unnamed);
  return { ...figures(group), key: group.key, name: clip(name, NAME_MAX) };
}

function nameless(key: string, by: Division, names: Text['usage']['unnamed']): string {
  if (by === 'backend') return key;
  if (by === 'key' && key === '') return names.noKey;
  return names[by];
}

function figures(totals?: UsageTotals): UsageFigures {
  return {
    calls: totals?.calls ?? 0,
    promptTokens: totals?.promptTokens ?? 0,
    completionTokens: totals?.completionTokens ?? 0,
    cachedTokens: totals?.cachedTokens ?? 0,
    reasoningTokens: totals?.reasoningTokens ?? 0,
    cost: totals?.cost ?? 0,
    estimatedCalls: totals?.estimatedCalls ?? 0,
  };
}

/** The members of a report's totals and of each of its groups. */
export function figuresJson(totals: UsageTotals) {
  return {
    calls: totals.calls,
    prompt_tokens: totals.promptTokens,
    completion_tokens: totals.completionTokens,
    cached_tokens: totals.cachedTokens,
    reasoning_tokens: totals.reasoningTokens,
    total_tokens: totals.promptTokens + totals.completionTokens,
    cost: money(totals.cost),
    estimated_calls: totals.estimatedCalls,
  };
}

/** Rounds an amount: sums of fractions have meaningless digits. */
export function money(amount: number): number {
  return Math.round(amount * 1e9) / 1e9;
}
