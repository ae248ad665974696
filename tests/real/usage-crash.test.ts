/** The router is killed while calls to the LLM are counted: each is in rows, totals and budgets alike, and at most once. */
import { Database } from 'bun:sqlite';
import { expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { type Browser, type RouterProcess, startRouterProcess } from '../support/process';
import { ADMIN, PEOPLE, until } from '../support/router';
import { hang, startUpstream } from '../support/upstream';

/** Ends only a test that has failed: processes start slowly on a busy machine. */
setDefaultTimeout(120_000);

const KEY = 'sk-usage-and-crashes';
const CLIENTS = 6;
const HUNG = 3;

/** Asks again and again until the router is gone. */
async function askAll(router: RouterProcess, key: string): Promise<void> {
  for (;;) {
    const answer = await fetch(`${router.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'direct', stream: true, messages: [{ role: 'user', content: 'hello' }] }),
    });
    expect([answer.status, await answer.text()]).toEqual([200, expect.any(String)]);
  }
}

interface Rows {
  readonly calls: number;
  readonly tokens: number;
  /** Of answers whose upstream said it. */
  readonly told: number;
  readonly cost: number;
  readonly negative: number;
}

function rowsOf(router: RouterProcess, where = 'true'): Rows {
  using database = new Database(join(router.dataRoot, 'router.db'), { readonly: true });
  return database
    .query<Rows, []>(
      `SELECT count(*) AS calls, total(prompt_tokens + completion_tokens) AS tokens, total(cost) AS cost,
        total(CASE WHEN estimated THEN 0 ELSE prompt_tokens + completion_tokens END) AS told,
        total(prompt_tokens < 0 OR completion_tokens < 0 OR ifnull(cost, 0) < 0) AS negative FROM usage WHERE ${where}`,
    )
    .get() as Rows;
}

async function put(admin: Browser, path: string, body: object): Promise<void> {
  const answer = await admin.request(path, { method: 'PUT', body });
  expect([path, answer.status]).toEqual([path, 200]);
}

test('after kill -9 in the middle of streams rows, totals and budgets agree, and no call is counted twice', async () => {
  await using upstream = startUpstream({ key: KEY });
  await using router = await startRouterProcess();
  const admin = await router.signIn();
  const values = { LLM_BASE_URL: upstream.url, LLM_API_KEY: KEY, LLM_MODEL: 'a-model' };
  await put(admin, '/api/me/env-overrides', { values });
  for (const name of Object.keys(values)) await put(admin, `/api/admin/shared-env/${name}`, { shared: true });
  await put(admin, '/api/admin/prices/a-model', { prompt: 3, completion: 15 });
  await put(admin, '/api/admin/budgets/everybody', { unit: 'money', period: 'month', hard_limit: 1_000_000 });
  const alice = await router.signIn(PEOPLE.alice);
  const made = await alice.request('/api/me/keys', { method: 'POST', body: { name: 'counted' } });
  const { key, secret } = (await made.json()) as { key: { id: string }; secret: string };
  await put(alice, `/api/me/keys/${key.id}/budget`, { unit: 'tokens', period: 'day', hard_limit: 1_000_000_000 });

  for (const round of [1, 2]) {
    const before = rowsOf(router).calls;
    upstream.script(...Array.from({ length: HUNG }, () => ({ pieces: ['Hel', hang()] })));
    const clients = Promise.allSettled(Array.from({ length: CLIENTS }, () => askAll(router, secret)));
    const written = await until(() => {
      const rows = rowsOf(router);
      return rows.calls > before + CLIENTS && rows;
    }, `calls are written in round ${round}`);
    await router.kill('SIGKILL');
    await clients;
    await router.start();

    const rows = rowsOf(router);
    // What was written stays. What was not is lost, and nothing is there that the upstream did not serve.
    expect(rows.calls).toBeGreaterThanOrEqual(written.calls);
    expect(rows.calls).toBeLessThanOrEqual(upstream.requests.length);
    expect(rows.told).toBeLessThanOrEqual(upstream.served.prompt + upstream.served.completion);
    expect(rows.negative).toBe(0);
    const back = await router.signIn(ADMIN);
    for (const group of ['user', 'backend', 'model', 'agent', 'key', 'day']) {
      const { groups } = (await (await back.request(`/api/admin/usage?group=${group}`)).json()) as {
        groups: { calls: number; prompt_tokens: number; completion_tokens: number; cost: number }[];
      };
      const sum = (of: (one: (typeof groups)[number]) => number) => groups.reduce((total, one) => total + of(one), 0);
      expect([group, sum(({ calls }) => calls)]).toEqual([group, rows.calls]);
      expect([group, sum((one) => one.prompt_tokens + one.completion_tokens)]).toEqual([group, rows.tokens]);
      expect(sum(({ cost }) => cost)).toBeCloseTo(rows.cost, 6);
    }
    const { budgets } = (await (await (await router.signIn(PEOPLE.alice)).request('/api/me/budgets')).json()) as {
      budgets: { unit: string; used: number }[];
    };
    expect(budgets.find(({ unit }) => unit === 'tokens')?.used).toBe(rowsOf(router, `key_id = '${key.id}'`).tokens);
    expect(budgets.find(({ unit }) => unit === 'money')?.used).toBeCloseTo(rows.cost, 6);
  }
  await (await router.signIn(PEOPLE.alice)).request('/api/runners/direct', { method: 'DELETE' });
});
