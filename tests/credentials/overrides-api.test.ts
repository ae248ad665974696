import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { form, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { all } from '../views/dom';

const VARIABLES = ['LLM_API_KEY', 'LLM_BASE_URL', 'LLM_MODEL'];
const KEY = 'sk-upstream-0123456789-WXYZ';
const uses = { user_overridable_env: VARIABLES };

let router: TestRouter;
let alice: Person;
let mallory: Person;

beforeAll(async () => {
  router = await startRouter({
    backends: [
      memoryBackend('echo'),
      memoryBackend('one', { ...uses, display_name: 'One' }),
      memoryBackend('two', { user_overridable_env: ['LLM_MODEL'] }),
    ],
    env: { MIN_IDLE_SECONDS: '60' },
  });
  [alice, mallory] = [await router.person(PEOPLE.alice), await router.person(PEOPLE.mallory)];
});
afterAll(() => router[Symbol.asyncDispose]());

const put = (person: Person, name: string, value: unknown, backend?: string) =>
  person.request(`/api/me/env-overrides/${name}`, { method: 'PUT', body: { value, ...(backend && { backend }) } });
const clear = (person: Person) =>
  Promise.all(['', 'one', 'two'].map((scope) => person.request('/settings/credentials/clear', form({ scope }))));

interface Overrides {
  readonly vars: readonly string[];
  readonly backends: Record<string, readonly string[]>;
  readonly overrides: Record<string, Record<string, string>>;
  readonly effective: Record<string, Record<string, { source: string; masked: string }>>;
}
const overrides = async (person: Person) => (await (await person.request('/api/me/env-overrides')).json()) as Overrides;
const fieldValue = async (page: string, id: string) => (await all(page, `#${id}`))[0]?.attributes.value;

/** Whether any file below the data root contains the text unencrypted. */
async function isOnDisk(text: string): Promise<boolean> {
  const files = await readdir(router.dataRoot, { recursive: true, withFileTypes: true });
  const contents = files
    .filter((file) => file.isFile())
    .map((file) => Bun.file(join(file.parentPath, file.name)).bytes());
  return (await Promise.all(contents)).some((bytes) => Buffer.from(bytes).includes(text));
}

describe('/api/me/env-overrides', () => {
  test("answers the predecessor's members, with nothing set", async () => {
    await clear(alice);
    const none = { LLM_API_KEY: false, LLM_BASE_URL: false, LLM_MODEL: false };
    const unset = { source: 'unset', masked: '' };
    expect(await overrides(alice)).toEqual({
      vars: VARIABLES,
      backends: { LLM_API_KEY: ['one'], LLM_BASE_URL: ['one'], LLM_MODEL: ['one', 'two'] },
      admin_shared: none,
      admin_shared_present: none,
      overrides: { '': {}, one: {}, two: {} },
      effective: {
        one: { LLM_API_KEY: unset, LLM_BASE_URL: unset, LLM_MODEL: unset },
        two: { LLM_MODEL: unset },
      },
    } as never);
  });

  test("a backend's own value goes before the one for all, which goes before none", async () => {
    await clear(alice);
    const answer = await put(alice, 'LLM_MODEL', ' general ');
    expect([answer.status, await answer.json()]).toEqual([200, { ok: true, set: true }]);
    await put(alice, 'LLM_MODEL', 'special', 'one');
    const { overrides: set, effective } = await overrides(alice);
    expect(set).toEqual({ '': { LLM_MODEL: 'general' }, one: { LLM_MODEL: 'special' }, two: {} });
    expect(effective.one?.LLM_MODEL).toEqual({ source: 'backend', masked: 'special' });
    expect(effective.two?.LLM_MODEL).toEqual({ source: 'global', masked: 'general' });
  });

  test('an empty value removes, and so does DELETE, as often as one likes', async () => {
    await put(alice, 'LLM_MODEL', 'general');
    expect(await (await put(alice, 'LLM_MODEL', ' ')).json()).toEqual({ ok: true, set: false });
    await put(alice, 'LLM_MODEL', 'special', 'two');
    for (const _ of ['once', 'twice']) {
      const gone = await alice.request('/api/me/env-overrides/LLM_MODEL?backend=two', { method: 'DELETE' });
      expect([gone.status, await gone.json()]).toEqual([200, { ok: true }]);
    }
    expect((await overrides(alice)).effective.two?.LLM_MODEL?.source).toBe('unset');
  });

  test('a name with a line break is refused like any other that is no variable', async () => {
    for (const values of [{ 'LLM\nMODEL': { a: 1 } }, { 'LLM\nMODEL': 'x' }]) {
      const response = await alice.request('/api/me/env-overrides', { method: 'PUT', body: { values } });
      expect(response.status).toBeWithin(400, 500);
    }
  });

  test.each([
    ['a variable nobody may set', 'PATH', 'x', undefined, 400],
    ['a variable the backend does not use', 'LLM_API_KEY', 'x', 'two', 400],
    ['a backend that is not there', 'LLM_MODEL', 'x', 'nope', 404],
    ['no http address', 'LLM_BASE_URL', 'ftp://llm.example', undefined, 400],
    ['an address with a password', 'LLM_BASE_URL', 'https://u:p@llm.example/v1', undefined, 400],
    ['the metadata of a cloud', 'LLM_BASE_URL', 'http://169.254.169.254/v1', undefined, 400],
    ['two lines', 'LLM_MODEL', 'a\nb', undefined, 400],
    ['no text', 'LLM_MODEL', 7, undefined, 422],
  ] as const)('refuses %s', async (_, name, value, backend, status) => {
    const before = await overrides(alice);
    const response = await put(alice, name, value, backend);
    expect([response.status, typeof ((await response.json()) as { detail: string }).detail]).toEqual([
      status,
      'string',
    ]);
    expect(await overrides(alice)).toEqual(before as never);
  });

  test('secrets are masked to one width, with their end only when they are long; the rest is in clear', async () => {
    await put(alice, 'LLM_BASE_URL', 'https://llm.example/v1');
    for (const [value, masked] of [
      ['short', '••••••••'],
      ['nineteen-characters', '••••••••'],
      [KEY, '••••••••WXYZ'],
      [`${KEY}-${'long'.repeat(50)}-last`, '••••••••last'],
    ] as const) {
      await put(alice, 'LLM_API_KEY', value);
      expect((await overrides(alice)).overrides['']).toMatchObject({ LLM_API_KEY: masked });
    }
    expect((await overrides(alice)).effective.one?.LLM_BASE_URL?.masked).toBe('https://llm.example/v1');
  });

  test('law 14: a key is in no answer and in no file, as it is', async () => {
    await put(alice, 'LLM_API_KEY', KEY);
    await put(alice, 'LLM_MODEL', 'a-model-of-alice');
    expect(await (await alice.request('/settings')).text()).not.toContain(KEY);
    expect(JSON.stringify(await overrides(alice))).not.toContain(KEY);
    expect(await isOnDisk(alice.id)).toBe(true);
    expect(await isOnDisk(KEY)).toBe(false);
  });

  test("mallory sees and changes mallory's own", async () => {
    await put(alice, 'LLM_MODEL', 'of-alice');
    await put(mallory, 'LLM_MODEL', 'of-mallory');
    await clear(mallory);
    expect((await overrides(mallory)).overrides['']).toEqual({});
    expect((await overrides(alice)).overrides['']).toMatchObject({ LLM_MODEL: 'of-alice' });
  });
});

describe('the credentials form', () => {
  const base = { scope: '', LLM_BASE_URL: 'https://llm.example/v1', LLM_API_KEY: KEY, LLM_MODEL: 'm' };

  test('saves the typed values, keeps the values of empty fields, and says so', async () => {
    await clear(alice);
    const saved = await alice.request('/settings/credentials', form(base));
    expect([saved.status, saved.headers.get('location')]).toEqual([
      303,
      '/settings?card=credentials&said=credentials#credentials-said',
    ]);
    await alice.request('/settings/credentials', form({ ...base, LLM_API_KEY: '', LLM_MODEL: 'n' }));
    expect((await overrides(alice)).overrides['']).toEqual({
      LLM_BASE_URL: 'https://llm.example/v1',
      LLM_API_KEY: '••••••••WXYZ',
      LLM_MODEL: 'n',
    });
    const page = await (await alice.request('/settings?card=credentials&said=credentials')).text();
    expect(page).toContain('Saved. The next call of an agent uses it.');
    expect(await fieldValue(page, 'credentials-all-LLM_MODEL')).toBe('n');
    expect(await fieldValue(page, 'credentials-all-LLM_API_KEY')).toBeUndefined();
  });

  test('answers 422 with what was typed, never with a secret, and saves nothing of it', async () => {
    await clear(alice);
    const typed = { ...base, LLM_BASE_URL: 'llm "example"', LLM_API_KEY: 'typed-secret-0123456789' };
    const refused = await alice.request('/settings/credentials', form(typed));
    const page = await refused.text();
    expect(refused.status).toBe(422);
    expect(await fieldValue(page, 'credentials-all-LLM_BASE_URL')).toBe('llm "example"');
    expect(await fieldValue(page, 'credentials-all-LLM_MODEL')).toBe('m');
    expect((await all(page, '#credentials-all-LLM_BASE_URL-error'))[0]?.text).toContain('Must be an http');
    expect(page).not.toContain('typed-secret');
    expect((await overrides(alice)).overrides['']).toEqual({});
  });

  test('refuses a variable and a scope that are not there', async () => {
    const unknown = await alice.request('/settings/credentials', form({ scope: '', PATH: '<b>' }));
    const page = await unknown.text();
    expect([unknown.status, (await all(page, '[role=alert]'))[0]?.text]).toEqual([
      400,
      'PATH is not a variable that users can set.',
    ]);
    expect((await alice.request('/settings/credentials', form({ scope: 'nope', LLM_MODEL: 'x' }))).status).toBe(404);
  });
});

describe('keys', () => {
  test('a key is shown once and kept as a hash', async () => {
    const key = await alice.createKey('Laptop');
    expect(await isOnDisk(key)).toBe(false);
    expect(await isOnDisk(new Bun.CryptoHasher('sha256').update(key).digest('hex'))).toBe(true);
    const page = await (await alice.request('/settings')).text();
    expect(page).not.toContain(key);
    expect((await all(page, '#keys .rows li'))[0]?.text).toContain(`…${key.slice(-4)}`);
  });

  test("mallory neither sees nor revokes alice's", async () => {
    const key = await alice.createKey('of alice');
    const id = (await router.context.keys.list(alice.id)).find(({ name }) => name === 'of alice')?.id;
    expect(await (await mallory.request('/settings')).text()).not.toContain('of alice');
    expect((await mallory.request(`/settings/keys/${id}/revoke`, { method: 'POST' })).status).toBe(404);
    const use = () => router.request('/v1/models', { headers: { authorization: `Bearer ${key}` } });
    expect((await use()).status).toBe(200);
    const revoked = await alice.request(`/settings/keys/${id}/revoke`, { method: 'POST' });
    expect([revoked.status, revoked.headers.get('location')]).toEqual([
      303,
      '/settings?card=keys&said=revoked#keys-said',
    ]);
    expect((await use()).status).toBe(401);
  });

  test('an invalid name is refused with the form, and fifty names are the limit', async () => {
    const empty = await alice.request('/settings/keys', form({ name: ' ' }));
    expect([empty.status, (await all(await empty.text(), '#key-name-error')).length]).toEqual([422, 1]);
    const long = await alice.request('/settings/keys', form({ name: 'n'.repeat(81) }));
    expect([long.status, await fieldValue(await long.text(), 'key-name')]).toEqual([422, 'n'.repeat(81)]);
    for (let count = 0; count < 50; count += 1) await router.context.keys.create(mallory.id, `key ${count}`);
    const more = await mallory.request('/settings/keys', form({ name: 'one more' }));
    expect([more.status, await fieldValue(await more.text(), 'key-name')]).toEqual([409, 'one more']);
  });
});

test('idle times are chosen per agent, 0 is never, and the limits hold', async () => {
  const set = (seconds: string, backend = 'echo') => alice.request('/settings/idle', form({ backend, seconds }));
  const chosen = async () =>
    (await all(await (await alice.request('/settings')).text(), '#idle-echo option[selected]'))[0]?.attributes.value;
  expect(await chosen()).toBe('600');
  expect((await set('900')).headers.get('location')).toBe('/settings?card=idle&said=saved#idle-said');
  expect(await chosen()).toBe('900');
  for (const [asked, stored] of Object.entries({ '0': '0', '-5': '0', '7': '60', '999999': '21600' })) {
    await set(asked);
    expect([asked, await chosen()]).toEqual([asked, stored]);
  }
  expect([(await set('soon')).status, (await set('60', 'nope')).status]).toEqual([422, 404]);
});
