/** The alert rules and the dashboard of docs/monitoring, in a real Prometheus that collects from a router. */
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { $ } from 'bun';
import { freePort } from '../support/ports';
import { startRouterProcess } from '../support/process';
import { until } from '../support/router';

/** Only ends a failed test. */
setDefaultTimeout(120_000);

const MONITORING = join(import.meta.dir, '../../docs/monitoring');
const folder = await mkdtemp(join(tmpdir(), 'agent-stack-monitoring-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Rule {
  readonly name: string;
  readonly query: string;
  readonly health: string;
  readonly lastError?: string;
}

/** As Grafana fills its variables in. */
const filledIn = (expression: string) => expression.replaceAll('$__rate_interval', '1m').replaceAll('$backend', '.*');

async function startPrometheus(internalUrl: string) {
  await cp(MONITORING, folder, { recursive: true });
  const config = await readFile(join(folder, 'prometheus.yml'), 'utf8');
  const own = config.replace('127.0.0.1:18080', new URL(internalUrl).host).replaceAll('15s', '1s');
  expect(own).not.toBe(config);
  await writeFile(join(folder, 'prometheus.yml'), own);
  const port = freePort();
  const child = Bun.spawn(
    [
      ...['prometheus', `--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`],
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: ['ignore', 'ignore', Bun.file(join(folder, 'log'))] },
  );
  return {
    async get<T>(path: string): Promise<T> {
      const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
      const { data, error } = (await response.json()) as { data: T; error?: string };
      if (error !== undefined) throw new Error(`${path}: ${error}`);
      return data;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await child.exited;
    },
  };
}

if (Bun.which('prometheus') === null && process.env.CI !== 'true') {
  test.skip('alerts and dashboard (skipped: prometheus is not installed)', () => {});
} else {
  test('promtool accepts the alert rules and the configuration', async () => {
    await $`promtool check rules ${join(MONITORING, 'alerts.yaml')}`.quiet();
    await $`promtool check config ${join(MONITORING, 'prometheus.yml')}`.quiet();
  });

  test('every expression of the alerts and the dashboard runs, and names only metrics that the router has', async () => {
    await using router = await startRouterProcess();
    await using prometheus = await startPrometheus(router.internalUrl);
    const up = () => prometheus.get<{ result: unknown[] }>('query?query=up==1').then(({ result }) => result.length > 0);
    await until(() => up().catch(() => false), `Prometheus collects: ${folder}/log`, 60_000);

    const rulesOf = async () =>
      (await prometheus.get<{ groups: { rules: Rule[] }[] }>('rules')).groups.flatMap(({ rules }) => rules);
    await until(async () => (await rulesOf()).every(({ health }) => health !== 'unknown'), 'all rules ran', 60_000);
    const rules = await rulesOf();
    expect(rules.length).toBeGreaterThan(8);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);

    const { panels } = JSON.parse(await readFile(join(MONITORING, 'dashboard.json'), 'utf8')) as {
      panels: { title: string; targets?: { expr: string }[] }[];
    };
    const shown = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => filledIn(expr)));
    expect(shown.length).toBeGreaterThan(20);
    for (const expression of shown) await prometheus.get(`query?query=${encodeURIComponent(expression)}`);

    const text = await (await fetch(`${router.internalUrl}/metrics`)).text();
    const families = [...text.matchAll(/^# TYPE (\S+) (\S+)/gm)].flatMap(([, name = '', type]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    );
    const named = [...shown, ...rules.map(({ query }) => query)].flatMap(
      (expression) => expression.match(/\b(agent_stack|process)_\w+/g) ?? [],
    );
    expect(named.filter((name) => !families.includes(name))).toEqual([]);
    // All that there is to see is seen somewhere.
    const unseen = families.filter(
      (name) => !named.includes(name) && !/_(sum|count)$|_duration_seconds_bucket$/.test(name),
    );
    expect(unseen).toEqual([]);
  });
}
