/** Pages of unbounded lists: they show the most important lines, and the sum of the rest. */
import { afterAll, expect, test } from 'bun:test';
import { ADMIN, memoryBackend, PEOPLE, startRouter } from '../support/router';
import { usageRow } from '../support/usage';
import { all } from '../views/dom';

const NOW_MS = Date.UTC(2026, 10, 22, 15);
const router = await startRouter({
  backends: [memoryBackend('direct', { user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] })],
  env: { ALLOW_PRIVATE_UPSTREAMS: 'true' },
  now: () => NOW_MS,
});
const alice = await router.person(PEOPLE.alice);
const admin = await router.person(ADMIN);
afterAll(() => router[Symbol.asyncDispose]());

test('a table of thousands of models shows those that were used most, and the others as one line', async () => {
  const rows = Array.from({ length: 3_000 }, (_, n) =>
    usageRow({
      userId: alice.id,
      atMs: NOW_MS,
      model: `model-${n}-${'x'.repeat(400)}`,
      promptTokens: n,
      completionTokens: 0,
    }),
  );
  await router.context.stores.usage.insert(rows);
  const page = await (await alice.request('/usage')).text();
  expect(page.length).toBeLessThan(200_000);
  const lines = await all(page, '#by-model tbody tr');
  expect(lines).toHaveLength(101);
  expect(lines[0]?.text).toContain('model-2999-');
  const rest = Array.from({ length: 2_900 }, (_, n) => n).reduce((sum, n) => sum + n, 0);
  const others = lines.at(-1)?.text.replaceAll(',', '');
  expect(others).toContain('All others');
  expect(others).toContain('2900');
  expect(others).toContain(`${(rest / 1e6).toFixed(1)}M`);
});

test('the API lists every model, once, in pages, each with the totals of all', async () => {
  type Report = { totals: { calls: number }; groups: { key: string; calls: number }[]; has_more: boolean };
  const pages: Report[] = [];
  for (let hasMore = true; hasMore; ) {
    const path = `/api/me/usage?group=model&page=${pages.length + 1}`;
    const page = (await (await alice.request(path)).json()) as Report;
    pages.push(page);
    hasMore = page.has_more;
  }
  const groups = pages.flatMap((page) => page.groups);
  expect(new Set(groups.map(({ key }) => key)).size).toBe(3_000);
  const calls = groups.reduce((sum, group) => sum + group.calls, 0);
  expect(pages.map(({ totals }) => totals.calls)).toEqual([calls, calls, calls]);
  expect((await alice.request('/api/me/usage?group=model&page=0')).status).toBe(422);
});

test('the keys of everybody come in pages, on the page and from the API, each key once and by the owner', async () => {
  const { key } = await router.context.keys.create(admin.id, 'first', {});
  const owners = [admin.id, (await router.person(PEOPLE.bob)).id];
  for (let n = 0; n < 230; n++) {
    const userId = owners[n % 2] ?? '';
    await router.context.stores.keys.insert({
      ...key,
      id: `key-${n}`,
      hash: `hash-${n}`,
      name: `key ${n % 3}`,
      userId,
    });
  }
  const shown: string[] = [];
  for (let next: string | undefined = '/admin/keys'; next !== undefined; ) {
    const page: string = await (await admin.request(next)).text();
    const rows = await all(page, '#keys .rows > li');
    expect(rows.length).toBeLessThanOrEqual(100);
    shown.push(...rows.map(({ text }) => text));
    next = /href="(\/admin\/keys\?after=[^"]+)"/.exec(page)?.[1];
  }
  expect(shown).toHaveLength(231);

  type Page = { keys: { id: string; user: string }[]; has_more: boolean };
  const found: Page['keys'] = [];
  for (let hasMore = true; hasMore; ) {
    const after = found.at(-1)?.id;
    const path = `/api/admin/keys?limit=50${after === undefined ? '' : `&after=${after}`}`;
    const page = (await (await admin.request(path)).json()) as Page;
    found.push(...page.keys);
    hasMore = page.has_more;
  }
  expect(new Set(found.map(({ id }) => id)).size).toBe(231);
  const emails = found.map(({ user }) => user);
  expect(emails).toEqual(emails.toSorted());
  expect((await admin.request('/api/admin/keys?after=nobody')).status).toBe(404);
  expect((await admin.request('/api/admin/keys?limit=0')).status).toBe(422);
});

test('where there are too many users or keys to choose from, a budget is set by address or id', async () => {
  const page = await (await admin.request('/admin/budgets')).text();
  expect(await all(page, '#budget-subject option')).toEqual([]);
  const fields = { unit: 'tokens', period: 'day', soft_limit: '', hard_limit: '9' };
  for (const subject of [PEOPLE.alice.email, 'key-1']) {
    const body = new URLSearchParams({ ...fields, subject });
    expect((await admin.request('/admin/budgets', { method: 'POST', body })).status).toBe(303);
  }
  const subjects = router.context.budgets.list().map(({ budget }) => budget.subjectId);
  expect(subjects).toEqual([alice.id, 'key-1']);
  const body = new URLSearchParams({ ...fields, subject: 'nobody@example.org' });
  expect((await admin.request('/admin/budgets', { method: 'POST', body })).status).toBe(404);
});

test('a list of models that is too long to choose from is counted, and the name is typed', async () => {
  const list = { data: Array.from({ length: 5_000 }, (_, n) => ({ id: `model-${n}` })) };
  using server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => Response.json(list) });
  const typed = {
    LLM_BASE_URL: `http://127.0.0.1:${server.port}/v1`,
    LLM_API_KEY: 'sk-0123456789abcdef',
    LLM_MODEL: '',
  };
  const page = await (
    await alice.request('/settings/credentials/try', {
      method: 'POST',
      body: new URLSearchParams({ ...typed, scope: '', group: 'llm' }),
    })
  ).text();
  expect(page.length).toBeLessThan(100_000);
  expect(page).toContain('serves 5000 models. Enter the name of one');
  expect(await all(page, '#credentials-all option')).toEqual([]);
});
