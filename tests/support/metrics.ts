/**
 * Parses the text format of Prometheus as strictly as its strictest reader, and fetches it from a router:
 *
 *     const metrics = await scrape(router);
 *     metrics.value('agent_stack_runners', { backend: 'echo', state: 'running' });
 */
import { expect } from 'bun:test';
import { type TestRouter, until } from './router';

type Labels = Readonly<Record<string, string>>;

interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly series: readonly { readonly name: string; readonly labels: Labels; readonly value: number }[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy;
const NUMBER = /^(?:[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|NaN)$/;
/** The suffixes that samples of a family may have. */
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: [''],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
};

/** Throws for every violation of the format. */
export function parseMetrics(text: string): readonly MetricFamily[] {
  if (!text.endsWith('\n')) throw new Error('The last line does not end');
  const families = text.trimEnd().split(/\n(?=# HELP )/);
  const parsed = families.map(parseFamily);
  const names = parsed.map(({ name }) => name);
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  if (twice.length > 0) throw new Error(`There twice: ${twice}`);
  return parsed;
}

function parseFamily(text: string): MetricFamily {
  const [first = '', second = '', ...lines] = text.split('\n').filter((line) => line !== '');
  const [, name = '', help = ''] = /^# HELP (\S+) (.+)$/.exec(first) ?? [];
  const [, named, type = ''] = /^# TYPE (\S+) (\w+)$/.exec(second) ?? [];
  const suffixes = SUFFIXES[type];
  if (!NAME.test(name) || named !== name || !suffixes) throw new Error(`No head of a family: ${first} | ${second}`);
  if ((type === 'counter') !== name.endsWith('_total')) throw new Error(`${name} is a ${type}`);
  const series = lines.map((line) => {
    const [, sample = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
    if (!suffixes.some((suffix) => sample === name + suffix) || !NUMBER.test(value)) throw new Error(`Wrong: ${line}`);
    return { name: sample, labels: parseLabels(labels), value: Number(value.replace('Inf', 'Infinity')), line };
  });
  const keys = series.map(({ line }) => line.slice(0, line.lastIndexOf(' ')));
  if (new Set(keys).size !== keys.length) throw new Error(`${name} has a series twice`);
  if (series.some(({ value }) => Number.isNaN(value) || (type === 'counter' && value < 0))) {
    throw new Error(`${name} has a number that is none`);
  }
  const family = { name, help, type, series };
  if (type === 'histogram') checkHistogram(family);
  return family;
}

function parseLabels(text: string): Labels {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  let end = 0;
  for (let found = LABEL.exec(text); found; found = LABEL.exec(text)) {
    const [, name = '', value = ''] = found;
    if (name in labels) throw new Error(`A label twice: ${text}`);
    labels[name] = value.replace(/\\(.)/g, (_, one: string) => (one === 'n' ? '\n' : one));
    end = LABEL.lastIndex;
  }
  if (end !== text.length || text.endsWith(',')) throw new Error(`No labels: ${text}`);
  return labels;
}

/** Buckets must rise and end at +Inf, whose value must equal the count. */
function checkHistogram({ name, series }: MetricFamily): void {
  const without = ({ le: _, ...labels }: Record<string, string>) => JSON.stringify(labels);
  for (const count of series.filter((one) => one.name === `${name}_count`)) {
    const own = series.filter(({ labels }) => without(labels) === without(count.labels));
    const buckets = own.filter((one) => one.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => Number((labels.le ?? '').replace('Inf', 'Infinity')));
    const isRising = (numbers: readonly number[], orSame: boolean) =>
      numbers.every((one, at) => at === 0 || one > (numbers[at - 1] ?? one) || (orSame && one === numbers[at - 1]));
    const values = buckets.map(({ value }) => value);
    const isWhole = bounds.at(-1) === Number.POSITIVE_INFINITY && values.at(-1) === count.value;
    if (!isWhole || !isRising(bounds, false) || !isRising(values, true) || own.length !== buckets.length + 2) {
      throw new Error(`${name} ${JSON.stringify(count.labels)} is no histogram`);
    }
  }
}

interface Scrape {
  readonly text: string;
  readonly families: readonly MetricFamily[];
  /** The value of the one series with exactly these labels. Throws if there is none. */
  value(name: string, labels?: Labels): number;
}

/** Returns what a collector on this machine reads. */
export async function scrape(router: TestRouter): Promise<Scrape> {
  const response = await fetch(`${router.internalUrl}/metrics`);
  const text = await response.text();
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'text/plain; version=0.0.4; charset=utf-8',
  ]);
  const families = parseMetrics(text);
  const all = families.flatMap(({ series }) => series);
  return {
    text,
    families,
    value(name, labels = {}) {
      const found = all.find((one) => one.name === name && Bun.deepEquals(one.labels, labels));
      if (!found) throw new Error(`No ${name} ${JSON.stringify(labels)}`);
      return found.value;
    },
  };
}

/** Returns the current value of one of our metrics. @param name without the prefix. */
export async function count(router: TestRouter, name: string, labels: Labels = {}): Promise<number> {
  return (await scrape(router)).value(`agent_stack_${name}`, labels);
}

/** Waits for a value, because an end may be counted a moment after others have seen it. */
export async function counted(router: TestRouter, name: string, labels: Labels, value: number): Promise<void> {
  const isThere = async () => (await count(router, name, labels)) === value;
  await until(isThere, `${name} ${JSON.stringify(labels)} is ${value}`);
}
