/** Which value applies, tier by tier; the predecessor's endpoints; and who may share. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { ADMIN, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';

const LLM = ['LLM_API_KEY', 'LLM_BASE_URL', 'LLM_MODEL'];
const ADMINS_KEY = 'sk-of-the-admin-0123456789-ABCD';
const OWN_KEY = 'sk-of-alice-0123456789-WXYZ';
const ADMINS = { LLM_BASE_URL: 'https://admin.example/v1', LLM_API_KEY: ADMINS_KEY, LLM_MODEL: 'admins-model' };
const MASK = '••••••••';

let router: TestRouter;
let admin: Person;
let alice: Person;
let bob: Person;

beforeAll(async () => {
  router = await startRouter({
    backends: [
      memoryBackend('echo'),
      memoryBackend('one', { user_overridable_env: LLM }),
      memoryBackend('two', { user_overridable_env: [...LLM, 'SEARCH_API_KEY'], display_name: 'Two' }),
    ],
  });
  admin = await router.person(ADMIN);
  alice = await router.person(PEOPLE.alice);
  bob = await router.person(PEOPLE.bob);
});
afterAll(() => router[Symbol.asyncDispose]());
beforeEach(async () => {
  for (const who of [admin, alice, bob]) {
    for (const scope of ['', 'one', 'two']) await router.context.credentials.clear(who.id, scope);
  }
  await router.context.credentials.share([...LLM, 'SEARCH_API_KEY'], false);
});

const put = (who: Person, path: string, body: object) => who.request(path, { method: 'PUT', body });
async function set(who: Person, values: Record<string, string>, backend?: string): Promise<void> {
  const response = await put(who, '/api/me/env-overrides', { values, ...(backend && { backend }) });
  expect([response.status, await response.json()]).toEqual([
    200,
    { ok: true, set: Object.fromEntries(Object.keys(values).map((name) => [name, true])) },
  ]);
}
async function share(names: readonly string[], shared = true): Promise<void> {
  for (const name of names) {
    const response = await put(admin, `/api/admin/shared-env/${name}`, { shared });
    expect([response.status, await response.json()]).toEqual([200, { ok: true, shared }]);
  }
}

interface Answer {
  readonly admin_shared: Record<string, boolean>;
  readonly admin_shared_present: Record<string, boolean>;
  readonly overrides: Record<string, Record<string, string>>;
  readonly effective: Record<string, Record<string, { source: string; masked: string }>>;
}
const overrides = async (who: Person) => (await (await who.request('/api/me/env-overrides')).json()) as Answer;
const sources = async (who: Person, backend = 'one') => {
  const { effective } = await overrides(who);
  return Object.fromEntries(Object.entries(effective[backend] ?? {}).map(([name, { source }]) => [name, source]));
};
const all = (source: string) => Object.fromEntries(LLM.map((name) => [name, source]));

/** The values with which an agent would start, or why it cannot. */
async function refusal(who: Person, backend = 'one'): Promise<{ status: number; detail?: string; fields?: object }> {
  const response = await who.request(`/api/runners/${backend}/start`, { method: 'POST' });
  return { status: response.status, ...((await response.json()) as object) };
}

describe('whose value counts', () => {
  test('the one for the backend, then the own for all, then the shared one, then none', async () => {
    expect(await sources(alice)).toEqual(all('unset'));
    await set(admin, ADMINS);
    expect(await sources(alice)).toEqual(all('unset'));
    await share(LLM);
    expect(await sources(alice)).toEqual(all('shared'));
    await set(alice, { ...ADMINS, LLM_API_KEY: OWN_KEY });
    expect(await sources(alice)).toEqual(all('global'));
    await set(alice, { ...ADMINS, LLM_API_KEY: OWN_KEY }, 'one');
    expect([await sources(alice), await sources(alice, 'two')]).toEqual([
      all('backend'),
      { ...all('global'), SEARCH_API_KEY: 'unset' },
    ]);
    for (const scope of ['one', '']) await router.context.credentials.clear(alice.id, scope);
    expect(await sources(alice)).toEqual(all('shared'));
    await share(LLM, false);
    expect(await sources(alice)).toEqual(all('unset'));
  });

  test("only the administrator's values for all backends are shared, and they are the administrator's own", async () => {
    await set(admin, ADMINS, 'one');
    await share(LLM);
    expect(await sources(alice)).toEqual(all('unset'));
    expect(await sources(admin)).toEqual(all('backend'));
    await set(admin, ADMINS);
    expect(await sources(admin, 'two')).toEqual({ ...all('global'), SEARCH_API_KEY: 'unset' });
  });

  test('the model is overridden alone, and so is any other variable', async () => {
    await set(admin, { ...ADMINS, SEARCH_API_KEY: 'search' });
    await share([...LLM, 'SEARCH_API_KEY']);
    await set(alice, { LLM_MODEL: 'mine' }, 'two');
    expect(await sources(alice, 'two')).toEqual({ ...all('shared'), LLM_MODEL: 'backend', SEARCH_API_KEY: 'shared' });
    await set(alice, { SEARCH_API_KEY: 'own' });
    expect((await sources(alice, 'two')).SEARCH_API_KEY).toBe('global');
  });

  test('law 15: a user who sets the address must set the key, and the error says so', async () => {
    await set(admin, ADMINS);
    await share(LLM);
    await set(alice, { LLM_BASE_URL: 'https://mallory.example/v1' }, 'one');
    expect(await sources(alice)).toEqual({ LLM_API_KEY: 'unset', LLM_BASE_URL: 'backend', LLM_MODEL: 'shared' });
    const { status, detail, fields } = await refusal(alice);
    expect([status, Object.keys(fields ?? {})]).toEqual([422, ['LLM_API_KEY']]);
    expect(detail).toContain('the shared key never goes to another address');
    // Nothing was set for the other backend.
    expect((await sources(alice, 'two')).LLM_API_KEY).toBe('shared');
  });

  test('law 15: a user who sets the key must set the address, and the error says so', async () => {
    await set(admin, ADMINS);
    await share(LLM);
    await set(alice, { LLM_API_KEY: OWN_KEY });
    expect(await sources(alice)).toEqual({ LLM_API_KEY: 'global', LLM_BASE_URL: 'unset', LLM_MODEL: 'shared' });
    const { status, detail, fields } = await refusal(alice);
    expect([status, Object.keys(fields ?? {})]).toEqual([422, ['LLM_BASE_URL']]);
    expect(detail).toContain('never goes to the shared address');
  });

  test('law 15: an address that is shared without its key, or a key without its address, counts for nobody', async () => {
    await set(admin, ADMINS);
    await share(['LLM_BASE_URL', 'LLM_MODEL']);
    expect(await sources(alice)).toEqual({ ...all('unset'), LLM_MODEL: 'shared' });
    await share(['LLM_BASE_URL'], false);
    await share(['LLM_API_KEY']);
    expect(await sources(alice)).toEqual({ ...all('unset'), LLM_MODEL: 'shared' });
  });
});

describe('what is shown', () => {
  test('a shared secret is shown masked, its last characters only to its owner, and other values are shown unmasked', async () => {
    await set(admin, ADMINS);
    await share(LLM);
    const shown = { source: 'shared', masked: MASK };
    expect((await overrides(alice)).effective.one).toEqual({
      LLM_API_KEY: shown,
      LLM_BASE_URL: { ...shown, masked: ADMINS.LLM_BASE_URL },
      LLM_MODEL: { ...shown, masked: ADMINS.LLM_MODEL },
    });
    expect((await overrides(alice)).overrides).toEqual({ '': {}, one: {}, two: {} });
    expect((await overrides(admin)).effective.one?.LLM_API_KEY).toEqual({ source: 'global', masked: `${MASK}ABCD` });
    for (const path of ['/settings', '/api/me/env-overrides']) {
      const text = await (await alice.request(path)).text();
      for (const part of [ADMINS_KEY, 'ABCD']) expect([path, text.includes(part)]).toEqual([path, false]);
    }
  });

  test('which variables are shared, and which of those there is a value of, is known to everybody', async () => {
    await set(admin, { LLM_MODEL: 'm', SEARCH_API_KEY: 's' });
    await share(['LLM_MODEL', 'LLM_API_KEY']);
    const none = { ...Object.fromEntries(LLM.map((name) => [name, false])), SEARCH_API_KEY: false };
    const { admin_shared, admin_shared_present } = await overrides(bob);
    expect(admin_shared).toEqual({ ...none, LLM_API_KEY: true, LLM_MODEL: true });
    expect(admin_shared_present).toEqual({ ...none, LLM_MODEL: true });
    expect((await (await admin.request('/api/admin/shared-env')).json()) as object).toEqual({
      vars: [...LLM, 'SEARCH_API_KEY'],
      shared: { ...none, LLM_API_KEY: true, LLM_MODEL: true },
      admin_has_value: { ...none, LLM_MODEL: true, SEARCH_API_KEY: true },
    });
  });
});

describe('who may, and what', () => {
  test('sharing is for the administrator alone', async () => {
    for (const who of [alice, router]) {
      const status = who === alice ? 403 : 401;
      const answers = [
        await who.request('/api/admin/shared-env'),
        await who.request('/api/admin/shared-env/LLM_MODEL', { method: 'PUT', body: { shared: true } }),
        await who.request('/settings/credentials/share', {
          method: 'POST',
          body: new URLSearchParams({ group: 'llm', shared: 'true' }),
        }),
      ];
      expect(answers.map((answer) => answer.status)).toEqual([status, status, status]);
      if (who === alice) expect(await answers[0]?.json()).toMatchObject({ code: 'forbidden' });
    }
    expect((await router.context.credentials.sharing()).marked.size).toBe(0);
    expect((await put(admin, '/api/admin/shared-env/PATH', { shared: true })).status).toBe(400);
  });

  test('several values are set at once, or none of them', async () => {
    await set(alice, { LLM_BASE_URL: 'https://llm.example/v1', LLM_MODEL: 'm' });
    const values = { LLM_BASE_URL: 'nonsense', LLM_API_KEY: OWN_KEY, LLM_MODEL: '' };
    const refused = await put(alice, '/api/me/env-overrides', { values });
    expect([refused.status, await refused.json()]).toEqual([
      400,
      expect.objectContaining({ detail: expect.stringContaining('LLM_BASE_URL: Must be'), code: 'invalid_request' }),
    ]);
    const unknown = await put(alice, '/api/me/env-overrides', { values: { LLM_MODEL: 'n', PATH: 'x' } });
    expect(unknown.status).toBe(400);
    expect((await overrides(alice)).overrides['']).toEqual({ LLM_BASE_URL: 'https://llm.example/v1', LLM_MODEL: 'm' });
    const changed = await put(alice, '/api/me/env-overrides', { values: { LLM_MODEL: '', LLM_API_KEY: OWN_KEY } });
    expect(await changed.json()).toEqual({ ok: true, set: { LLM_MODEL: false, LLM_API_KEY: true } });
    expect(Object.keys((await overrides(alice)).overrides[''] ?? {}).sort()).toEqual(['LLM_API_KEY', 'LLM_BASE_URL']);
    const stranger = await router.request('/api/me/env-overrides', { method: 'PUT', body: { values: {} } });
    expect(stranger.status).toBe(401);
  });
});
