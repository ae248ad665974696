/** The alert rules and the dashboard of docs/monitoring, in a real Prometheus that collects from a router. */
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { $ } from 'bun';
import { freePort } from '../support/ports';
import { type RouterProcess, startRouterProcess } from '../support/process';
import { PEOPLE, until } from '../support/router';
import { startUpstream } from '../support/upstream';

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

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly refId: string }[];
}

async function panelsOfDashboard(): Promise<readonly Panel[]> {
  return JSON.parse(await readFile(join(MONITORING, 'dashboard.json'), 'utf8')).panels;
}

/** Everything that a panel shows: sign-ins, answers, calls to a model, tokens, and a runner that starts and stops. */
async function work(router: RouterProcess): Promise<void> {
  await using upstream = startUpstream({ key: 'sk-monitoring' });
  const alice = await router.signIn(PEOPLE.alice);
  const values = { LLM_BASE_URL: upstream.url, LLM_API_KEY: 'sk-monitoring', LLM_MODEL: 'a-model' };
  for (const [name, value] of Object.entries(values)) {
    await alice.request(`/api/me/env-overrides/${name}`, { method: 'PUT', body: { value } });
  }
  const key = await alice.createKey();
  const answer = await fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'direct', messages: [{ role: 'user', content: 'hi' }] }),
  });
  expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('Hello from upstream.')]);
  await alice.request('/api/runners/direct', { method: 'DELETE' });
}

test('the panels of the dashboard have ids of their own and places that do not overlap', async () => {
  const panels = await panelsOfDashboard();
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const overlaps = panels.flatMap(({ title, gridPos: a }, index) =>
    panels.slice(index + 1).flatMap(({ title: other, gridPos: b }) => {
      const isApart = a.x >= b.x + b.w || b.x >= a.x + a.w || a.y >= b.y + b.h || b.y >= a.y + a.h;
      return isApart ? [] : [`${title} and ${other}`];
    }),
  );
  expect(overlaps).toEqual([]);
  expect(panels.filter(({ gridPos: { x, w } }) => x < 0 || x + w > 24)).toEqual([]);
  for (const { targets = [] } of panels) expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
});

if (Bun.which('prometheus') === null && process.env.CI !== 'true') {
  test.skip('alerts and dashboard (skipped: prometheus is not installed)', () => {});
} else {
  test('promtool accepts the alert rules and the configuration', async () => {
    await $`promtool check rules ${join(MONITORING, 'alerts.yaml')}`.quiet();
    await $`promtool check config ${join(MONITORING, 'prometheus.yml')}`.quiet();
  });

  test('every expression of the alerts and the dashboard runs, and names only metrics that the router has', async () => {
    await using router = await startRouterProcess({ env: { BACKUP_HOURS: '24' } });
    await using prometheus = await startPrometheus(router.internalUrl);
    const up = () => prometheus.get<{ result: unknown[] }>('query?query=up==1').then(({ result }) => result.length > 0);
    await until(() => up().catch(() => false), `Prometheus collects: ${folder}/log`, 60_000);

    const rulesOf = async () =>
      (await prometheus.get<{ groups: { rules: Rule[] }[] }>('rules')).groups.flatMap(({ rules }) => rules);
    await until(async () => (await rulesOf()).every(({ health }) => health !== 'unknown'), 'all rules ran', 60_000);
    const rules = await rulesOf();
    expect(rules.length).toBeGreaterThan(8);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);

    const panels = await panelsOfDashboard();
    const shown = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => filledIn(expr)));
    expect(shown.length).toBeGreaterThan(20);
    // Before its first work the router may have nothing to show, but no expression fails.
    const valuesOf = async (expression: string) => {
      const query = `query?query=${encodeURIComponent(expression)}`;
      const { result } = await prometheus.get<{ result: { value: [number, string] }[] }>(query);
      return result.map(({ value: [, value] }) => Number(value));
    };
    for (const expression of shown) await valuesOf(expression);
    await work(router);
    let empty = shown;
    await until(
      async () => {
        const values = await Promise.all(empty.map(valuesOf));
        empty = empty.filter((_, index) => !values[index]?.some(Number.isFinite));
        return empty.length === 0;
      },
      'every panel shows a number',
      60_000,
    ).catch(() => undefined);
    expect(empty).toEqual([]);

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
