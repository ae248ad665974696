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

test('the API lists every model', async () => {
  const report = (await (await alice.request('/api/me/usage?group=model')).json()) as { groups: unknown[] };
  expect(report.groups).toHaveLength(3_000);
});

test('a page of the keys of everybody shows a bounded number, and says how many there are besides', async () => {
  const hash = (n: number) => `hash-${n}`;
  const key = await router.context.keys.create(admin.id, 'first', {});
  for (let n = 0; n < 600; n++) {
    await router.context.stores.keys.insert({ ...key.key, id: `key-${n}`, hash: hash(n), name: `key ${n}` });
  }
  const page = await (await admin.request('/admin/keys')).text();
  expect(await all(page, '#keys .rows > li')).toHaveLength(500);
  expect(page).toContain('And 101 more');
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
