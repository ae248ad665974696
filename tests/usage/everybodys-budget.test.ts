/** The budget of everybody: it applies to each user without one of their own, and says where it comes from. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { EVERYBODY } from '../../router/usage/budgets/budgets';
import type { UpstreamUse } from '../../router/usage/metering';
import type { Budget } from '../../router/usage/store/budgets';
import { ADMIN, form, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { usageRow } from '../support/usage';

const DAY_MS = 86_400_000;
const nowMs = Date.UTC(2026, 10, 22, 12);
let router: TestRouter;
let admin: Person;
let alice: Person;
let bob: Person;

beforeAll(async () => {
  router = await startRouter({ now: () => nowMs, env: { JWT_TTL_SECONDS: '34560000' } });
  admin = await router.person(ADMIN);
  alice = await router.person(PEOPLE.alice);
  bob = await router.person(PEOPLE.bob);
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(async () => {
  const { budgets } = router.context;
  for (const { budget } of budgets.list()) await budgets.remove(budget.subjectId);
});

const everybody = (more: Partial<Budget>): Budget => ({
  ...{ subjectId: EVERYBODY, userId: null, keyId: null, unit: 'tokens', period: 'month', softLimit: null },
  ...{ hardLimit: null, ...more },
});
/** A call of 30 tokens. */
const use = (userId: string): UpstreamUse => ({
  ...{ userId, agentId: 'a', backend: 'echo', keyIds: [], path: 'completions', model: 'm', source: 'global' },
  ...{ tokens: { prompt: 20, completion: 10, cached: 0, reasoning: 0 }, estimated: false },
  ...{ status: 200, ending: 'done', totalMs: 1 },
});
const spend = (who: Person) => router.context.metering.record(use(who.id));
const states = (who: Person) =>
  router.context.budgets.statesOf(who.id).map(({ used, level, isOfEverybody }) => [used, level, isOfEverybody]);

test('it counts each user apart, refuses whoever is at the limit, and an own budget goes first', async () => {
  const { budgets } = router.context;
  const before = await usedBefore();
  await budgets.put(everybody({ hardLimit: before + 60 }));
  for (const who of [alice, alice, bob]) spend(who);
  expect(states(alice)).toEqual([[before + 60, 'hard', true]]);
  expect(() => budgets.refuseUsedUp({ userId: alice.id })).toThrow('is used up');
  expect(() => budgets.refuseUsedUp({ userId: bob.id })).not.toThrow();
  await budgets.put({ ...everybody({ hardLimit: 1_000_000 }), subjectId: alice.id, userId: alice.id });
  expect(states(alice)).toEqual([[before + 60, 'within', false]]);
  await budgets.remove(alice.id);
  expect(states(alice)).toEqual([[before + 60, 'hard', true]]);
  await budgets.remove(EVERYBODY);
  expect(states(alice)).toEqual([]);
});

/** What Alice has used this month: nothing at first. */
async function usedBefore(): Promise<number> {
  await router.context.budgets.put(everybody({ softLimit: 1 }));
  const [[used = 0] = []] = states(alice) as [number][];
  await router.context.budgets.remove(EVERYBODY);
  return used;
}

test('what was used before it was set counts: written, waiting to be written, and after a restart', async () => {
  await using first = await startRouter({ now: () => nowMs });
  const { usage } = first.context.stores;
  const carol = await first.person({ email: 'carol@example.org', name: 'Carol', password: 'carol-secret' });
  const others = Array.from({ length: 1_200 }, (_, number) => `user-${String(number).padStart(4, '0')}`);
  await usage.insert([carol.id, ...others].map((userId) => usageRow({ userId, atMs: nowMs - DAY_MS })));
  // Of the month before.
  await usage.insert([usageRow({ userId: carol.id, atMs: nowMs - 40 * DAY_MS })]);
  first.context.metering.record(use(carol.id));
  await first.context.budgets.put(everybody({ softLimit: 100 }));
  const used = (of: TestRouter, id: string) => of.context.budgets.ownState(id)?.used;
  expect([used(first, carol.id), used(first, 'user-0000'), used(first, 'user-1199'), used(first, 'nobody')]).toEqual([
    140, 110, 110, 0,
  ]);
  await first.stop();
  await using second = await startRouter({ dataRoot: first.dataRoot, now: () => nowMs });
  expect([used(second, carol.id), used(second, 'user-1199')]).toEqual([140, 110]);
});

test('the administrator sets it by page and API, and pages say where a budget comes from', async () => {
  const limits = { unit: 'tokens', period: 'day' };
  const set = await admin.request(
    '/admin/budgets',
    form({ ...limits, subject: EVERYBODY, soft_limit: '', hard_limit: '5000000' }),
  );
  expect(set.status).toBe(303);
  const own = { ...limits, hard_limit: 7_000_000 };
  expect((await admin.request(`/api/admin/budgets/${bob.id}`, { method: 'PUT', body: own })).status).toBe(200);
  const page = async (path: string, who = admin) => (await who.request(path)).text();
  expect(await page('/admin/budgets')).toContain('Everybody without a budget of their own');
  expect(await page('/admin/limits')).toMatch(/5M tokens · a day for each user/);
  expect(await page(`/admin/users/${alice.id}/limits`)).toMatch(/5M tokens · per day · as everybody/);
  expect(await page(`/admin/users/${bob.id}/limits`)).toMatch(/7M tokens · per day · set for this user/);
  expect(await page('/usage', alice)).toContain('as everybody');
  expect(await page('/usage', bob)).not.toContain('as everybody');
  const { budgets } = await (await alice.request('/api/me/budgets')).json();
  expect(budgets).toMatchObject([{ subject: alice.id, hard_limit: 5_000_000, of_everybody: true }]);
  const all = (await (await admin.request('/api/admin/budgets')).json()).budgets;
  expect(all.map(({ subject, user }: { subject: string; user: string | null }) => [subject, user])).toEqual([
    [EVERYBODY, null],
    [bob.id, PEOPLE.bob.email],
  ]);
  const refused = await alice.request(`/api/admin/budgets/${EVERYBODY}`, { method: 'PUT', body: own });
  expect(refused.status).toBe(403);
  expect((await admin.request(`/api/admin/budgets/${EVERYBODY}`, { method: 'DELETE' })).status).toBe(200);
});

test('a deleted user is purged although everybody has a budget', async () => {
  await router.context.budgets.put(everybody({ hardLimit: 10 }));
  const gone = await router.person({ email: 'gone@example.org', name: 'Gone', password: 'gone-secret-1' });
  await router.context.removal.delete(gone.id);
  expect(router.context.budgets.ofEverybody()?.hardLimit).toBe(10);
});
