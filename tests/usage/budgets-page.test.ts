import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { ADMIN, form, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { all } from '../views/dom';

let router: TestRouter;
let admin: Person;
let alice: Person;
let mallory: Person;
let keyId: string;

beforeAll(async () => {
  router = await startRouter({ now: () => Date.UTC(2026, 10, 22, 15) });
  admin = await router.person(ADMIN);
  alice = await router.person(PEOPLE.alice);
  mallory = await router.person(PEOPLE.mallory);
  await alice.createKey('Laptop');
  keyId = (await router.context.keys.list(alice.id))[0]?.id ?? '';
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(async () => {
  for (const { budget } of router.context.budgets.list()) await router.context.budgets.remove(budget.subjectId);
  for (const { model } of router.context.prices.list()) await router.context.prices.remove(model);
});

const put = (person: Person, path: string, body: object) => person.request(path, { method: 'PUT', body });
const json = async (response: Response | Promise<Response>) => (await response).json() as Promise<never>;
const where = (response: Response) => [response.status, response.headers.get('location')];

describe('prices', () => {
  const prices = async () => (await json(admin.request('/api/admin/prices'))) as unknown;

  test('are none at first, are set, changed and removed, and hold at once', async () => {
    expect(await prices()).toEqual({ prices: [] });
    const { costOf } = router.context.prices;
    const tokens = { prompt: 1_000_000, completion: 100_000, cached: 400_000, reasoning: 50_000 };
    expect(costOf('lab/m', tokens)).toBeUndefined();

    expect((await put(admin, '/api/admin/prices/lab/m', { prompt: 2, completion: 10 })).status).toBe(200);
    expect(costOf('lab/m', tokens)).toBeCloseTo(3);
    await put(admin, '/api/admin/prices/lab%2Fm', { prompt: 2, completion: 10, per_call: 0.25 });
    expect([costOf('lab/m', tokens), costOf('lab/m', tokens, 4)]).toEqual([3.25, 4]);
    await put(admin, '/api/admin/prices/lab%2Fm', { prompt: 2, completion: 10, cached: 0.5 });
    expect(await prices()).toEqual({ prices: [{ model: 'lab/m', prompt: 2, completion: 10, cached: 0.5 }] });
    expect(costOf('lab/m', tokens)).toBeCloseTo(2.4);

    expect((await admin.request('/api/admin/prices/lab/m', { method: 'DELETE' })).status).toBe(200);
    expect(costOf('lab/m', tokens)).toBeUndefined();
    expect((await admin.request('/api/admin/prices/lab/m', { method: 'DELETE' })).status).toBe(404);
    expect((await put(admin, '/api/admin/prices/50%', { prompt: 2, completion: 10 })).status).toBe(400);
  });

  test('are there again after a restart', async () => {
    const first = await startRouter();
    await first.context.prices.put({ model: 'm', prompt: 1, completion: 2, cached: null });
    await first.stop();
    await using second = await startRouter({ dataRoot: first.dataRoot });
    expect(second.context.prices.list()).toEqual([
      { model: 'm', prompt: 1, completion: 2, cached: null, perCall: null },
    ]);
  });

  test('the form sets one, and an invalid number keeps the typed text', async () => {
    const typed = { model: ' gpt-5.5 ', prompt: '1.25', completion: '1 0', cached: '' };
    expect(where(await admin.request('/admin/prices', form(typed)))).toEqual([303, '/admin/prices?said=price']);
    expect(await prices()).toEqual({ prices: [{ model: 'gpt-5.5', prompt: 1.25, completion: 10, cached: null }] });
    for (const prompt of ['1,25', '-1', '1e3', 'two', '', 'Infinity']) {
      const refused = await admin.request('/admin/prices', form({ ...typed, prompt }));
      const html = await refused.text();
      expect([prompt, refused.status]).toEqual([prompt, 422]);
      expect((await all(html, '#price-prompt'))[0]?.attributes).toMatchObject({ 'aria-invalid': 'true' });
      expect((await all(html, '#price-prompt'))[0]?.attributes.value ?? '').toBe(prompt);
    }
    const edited = await (await admin.request('/admin/prices?model=gpt-5.5')).text();
    expect((await all(edited, '#price-prompt'))[0]?.attributes.value).toBe('1.25');
    const gone = await admin.request('/admin/prices/remove', form({ model: 'gpt-5.5' }));
    expect(where(gone)).toEqual([303, '/admin/prices?said=no-price']);
  });

  test('are the administrator alone to see and to change', async () => {
    const body = { prompt: 0, completion: 0 };
    const tried = [
      await mallory.request('/admin/prices'),
      await mallory.request('/api/admin/prices'),
      await put(mallory, '/api/admin/prices/m', body),
      await mallory.request('/api/admin/prices/m', { method: 'DELETE' }),
      await mallory.request('/admin/prices', form({ model: 'm', prompt: '0', completion: '0', cached: '' })),
      await mallory.request('/admin/prices/remove', form({ model: 'm' })),
    ];
    expect(tried.map(({ status }) => status)).toEqual(tried.map(() => 403));
    expect(await prices()).toEqual({ prices: [] });
  });
});

describe('what the shared key is for', () => {
  const models = async () => (await json(admin.request('/api/admin/shared-models'))) as unknown;
  const path = '/api/admin/shared-models';

  test('is every model at first, is listed by the form or the API, and is there after a restart', async () => {
    expect(await models()).toEqual({ models: [] });
    expect((await put(admin, path, { models: ['lab/b', ' a ', 'a', ''] })).status).toBe(200);
    expect(await models()).toEqual({ models: ['a', 'lab/b'] });
    const page = await (await admin.request('/admin/prices')).text();
    expect((await all(page, '#shared-models-list'))[0]?.text).toBe('a lab/b');
    const saved = await admin.request('/admin/prices/shared', form({ models: 'c\r\n\r\n d' }));
    expect(where(saved)).toEqual([303, '/admin/prices?said=shared-models#shared-models']);
    expect(await models()).toEqual({ models: ['c', 'd'] });
    const refused = await admin.request('/admin/prices/shared', form({ models: 'x'.repeat(201) }));
    const html = await refused.text();
    expect(refused.status).toBe(422);
    expect((await all(html, '#shared-models-list'))[0]).toMatchObject({
      text: 'x'.repeat(201),
      attributes: { 'aria-invalid': 'true' },
    });
    expect((await put(admin, path, { models: Array.from({ length: 1_001 }, (_, index) => `m${index}`) })).status).toBe(
      422,
    );
    expect((await put(admin, path, { models: 'a' })).status).toBe(422);
    await using other = await startRouter();
    await other.context.prices.putSharedModels(['kept']);
    await other.stop();
    await using again = await startRouter({ dataRoot: other.dataRoot });
    expect(again.context.prices.sharedModels()).toEqual(['kept']);
    await put(admin, path, { models: [] });
  });

  test('is the administrator alone to see and to change', async () => {
    const tried = [
      await mallory.request(path),
      await put(mallory, path, { models: ['m'] }),
      await mallory.request('/admin/prices/shared', form({ models: 'm' })),
    ];
    expect(tried.map(({ status }) => status)).toEqual([403, 403, 403]);
    expect(await models()).toEqual({ models: [] });
  });
});

describe('budgets', () => {
  const monthly = { unit: 'tokens', period: 'month', soft_limit: 80, hard_limit: 100 };
  const state = { ...monthly, used: 0, resets_at: Date.UTC(2026, 11, 1) / 1000, level: 'within' };
  const budgets = async () => ((await json(admin.request('/api/admin/budgets'))) as { budgets: unknown[] }).budgets;
  const own = async (person: Person) =>
    ((await json(person.request('/api/me/budgets'))) as { budgets: unknown[] }).budgets;

  test('the administrator sets those of users and of keys', async () => {
    expect((await put(admin, `/api/admin/budgets/${alice.id}`, monthly)).status).toBe(200);
    expect((await put(admin, `/api/admin/budgets/${keyId}`, { ...monthly, soft_limit: null })).status).toBe(200);
    const expected = [
      { ...state, subject: alice.id, user: PEOPLE.alice.email, key: null },
      { ...state, subject: keyId, user: PEOPLE.alice.email, key: 'Laptop', soft_limit: null },
    ];
    expect(await budgets()).toEqual(expected);
    expect(await own(alice)).toEqual(expected);
    expect(await own(mallory)).toEqual([]);
    expect((await put(admin, '/api/admin/budgets/nobody', monthly)).status).toBe(404);
    for (const status of [200, 404]) {
      expect((await admin.request(`/api/admin/budgets/${keyId}`, { method: 'DELETE' })).status).toBe(status);
    }
  });

  test('users set those of their own keys, and of no other', async () => {
    const path = `/api/me/keys/${keyId}/budget`;
    expect((await put(alice, path, monthly)).status).toBe(200);
    const tried = [
      await put(mallory, path, { ...monthly, hard_limit: 1_000_000 }),
      await mallory.request(path, { method: 'DELETE' }),
      await put(alice, `/api/me/keys/${alice.id}/budget`, monthly),
      await mallory.request('/usage/budgets/remove', form({ subject: keyId })),
    ];
    expect(tried.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
    expect(await budgets()).toEqual([{ ...state, subject: keyId, user: PEOPLE.alice.email, key: 'Laptop' }]);
    expect((await alice.request(path, { method: 'DELETE' })).status).toBe(200);
    expect(await budgets()).toEqual([]);
  });

  test('only the administrator may do what the administrator does', async () => {
    const tried = [
      await mallory.request('/admin/budgets'),
      await mallory.request('/api/admin/budgets'),
      await put(mallory, `/api/admin/budgets/${mallory.id}`, monthly),
      await mallory.request(`/api/admin/budgets/${mallory.id}`, { method: 'DELETE' }),
      await mallory.request('/admin/budgets/remove', form({ subject: mallory.id })),
    ];
    expect(tried.map(({ status }) => status)).toEqual(tried.map(() => 403));
  });

  test.each([
    [{ soft_limit: 101 }, 'soft_limit'],
    [{ soft_limit: null, hard_limit: null }, 'hard_limit'],
    [{ soft_limit: null, hard_limit: -1 }, 'hard_limit'],
    [{ unit: 'calls' }, 'unit'],
    [{ period: 'year' }, 'period'],
  ])('%j is refused with the name of the field', async (wrong, field) => {
    const response = await put(admin, `/api/admin/budgets/${alice.id}`, { ...monthly, ...wrong });
    expect(response.status).toBe(422);
    expect(Object.keys(((await json(response)) as { fields: object }).fields)).toEqual([field]);
  });

  test('the forms set them, keep what was refused, and show how much is used', async () => {
    const fields = { subject: alice.id, unit: 'tokens', period: 'day', soft_limit: '1 000', hard_limit: '2_000' };
    expect(where(await admin.request('/admin/budgets', form(fields)))).toEqual([303, '/admin/budgets?said=budget']);
    router.context.budgets.add({ userId: alice.id, tokens: 1_500, cost: 0 });
    const html = await (await alice.request('/usage')).text();
    expect((await all(html, '#budgets li .budget'))[0]?.text).toMatch(
      /^Your budgetpast the soft limit1,500 of 2,000 tokens today · soft limit 1,000 · starts again/,
    );
    expect((await all(html, 'meter'))[0]?.attributes).toMatchObject({ value: '0.75', max: '1', 'data-level': 'soft' });
    expect((await all(html, '.notice'))[0]?.text).toContain('soft limit');
    // A user cannot change the budget that limits them.
    expect(await all(html, `#budget-${alice.id} a, #budget-${alice.id} button`)).toEqual([]);

    const refused = await alice.request('/usage/budgets', form({ ...fields, subject: keyId, hard_limit: 'much' }));
    const page = await refused.text();
    expect(refused.status).toBe(422);
    expect((await all(page, '#budget-hard'))[0]?.attributes).toMatchObject({ value: 'much', 'aria-invalid': 'true' });
    expect(await all(page, 'details[open] #set-budget')).toHaveLength(1);
    expect(where(await alice.request('/usage/budgets', form({ ...fields, subject: keyId })))[0]).toBe(303);
    expect(where(await alice.request('/usage/budgets/remove', form({ subject: keyId })))[0]).toBe(303);
  });

  test('a budget ends with its key', async () => {
    await mallory.createKey('Short');
    const id = (await router.context.keys.list(mallory.id))[0]?.id ?? '';
    await put(mallory, `/api/me/keys/${id}/budget`, monthly);
    expect(await own(mallory)).toHaveLength(1);
    await mallory.request(`/settings/keys/${id}/revoke`, form({}));
    expect(await own(mallory)).toEqual([]);
  });
});
