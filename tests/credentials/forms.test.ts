/** The credentials of the settings page: the switch, the test of a connection, and the form in place of an answer. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { ADMIN, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter, until } from '../support/router';
import { chunk, DONE, scriptedRunner } from '../support/scripted-runner';
import { startUpstream, type Upstream } from '../support/upstream';
import { all, textsOf } from '../views/dom';

const LLM = ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'];
const ADMINS_KEY = 'sk-of-the-admin-0123456789-ABCD';
const OWN_KEY = 'sk-of-alice-0123456789-WXYZ';

const runner = scriptedRunner('credentials-forms');
let router: TestRouter;
let admin: Person;
let alice: Person;
let admins: Upstream;
let alices: Upstream;

beforeAll(async () => {
  router = await startRouter({
    backends: [
      memoryBackend('agent', { user_overridable_env: LLM, display_name: 'Agent' }, runner.program),
      memoryBackend('finder', { user_overridable_env: ['SEARCH_API_KEY'], display_name: 'Finder' }),
    ],
  });
  admin = await router.person(ADMIN);
  alice = await router.person(PEOPLE.alice);
  admins = startUpstream({ key: ADMINS_KEY, model: 'admins-model' });
  alices = startUpstream({ key: OWN_KEY, model: 'alices-model' });
});
afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await admins.stop();
  await alices.stop();
});
beforeEach(async () => {
  runner.reply = () => new Response(chunk('Here I am.') + DONE, { headers: { 'content-type': 'text/event-stream' } });
  for (const who of [admin, alice]) {
    for (const scope of ['', 'agent']) await router.context.credentials.clear(who.id, scope);
  }
  await router.context.credentials.share(LLM, false);
});

const post = (who: Person, path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
  who.request(path, { method: 'POST', body: new URLSearchParams(fields), headers });
const save = (who: Person, fields: Record<string, string>) =>
  post(who, '/settings/credentials', { scope: '', ...fields });
const pageOf = async (who: Person, path = '/settings') => (await who.request(path)).text();

describe('the switch', () => {
  test('waits for an address and a key, shares the whole group at once, and takes it back', async () => {
    const isOffered = async () => (await all(await pageOf(admin), '#credentials-share-now form')).length > 0;
    await save(admin, { LLM_BASE_URL: admins.url });
    expect(await isOffered()).toBe(false);
    await save(admin, { LLM_BASE_URL: admins.url, LLM_API_KEY: ADMINS_KEY, LLM_MODEL: 'm' });
    expect(await isOffered()).toBe(true);
    const shared = await post(admin, '/settings/credentials/share', { group: 'llm', shared: 'true' });
    expect([shared.status, shared.headers.get('location')]).toEqual([
      303,
      '/settings?card=credentials&said=shared#credentials-said',
    ]);
    expect((await textsOf(await pageOf(admin), '#credentials-share'))[0]).toContain('Stop sharing');
    expect((await textsOf(await pageOf(alice), '.effective li'))[0]).toBe(
      `Agentm at ${new URL(admins.url).host}shared by the administrator`,
    );
    await post(admin, '/settings/credentials/share', { group: 'llm', shared: 'false' });
    expect((await textsOf(await pageOf(alice), '.effective li'))[0]).toContain('Missing: Base URL, API key, Model.');
    expect((await post(admin, '/settings/credentials/share', { group: 'nope', shared: 'true' })).status).toBe(404);
  });

  test('is on the page of the administrator only', async () => {
    expect(await all(await pageOf(alice), '.sharing')).toEqual([]);
    expect(await all(await pageOf(admin), '.sharing')).toHaveLength(2);
  });
});

describe('the forms', () => {
  test('there is a card for each group of variables, and one is removed without the other', async () => {
    await save(alice, { LLM_MODEL: 'mine' });
    await save(alice, { SEARCH_API_KEY: 'find-it' });
    expect((await textsOf(await pageOf(alice), '.card > h2')).slice(0, 3)).toEqual(['You', 'Model', 'SEARCH_API_KEY']);
    await post(alice, '/settings/credentials/clear', { scope: '', group: 'SEARCH_API_KEY' });
    expect(await (await alice.request('/api/me/env-overrides')).json()).toMatchObject({
      overrides: { '': { LLM_MODEL: 'mine' } },
    });
  });

  test('a model that is emptied is the inherited one again, a key that is left empty is kept', async () => {
    await save(alice, { LLM_BASE_URL: alices.url, LLM_API_KEY: OWN_KEY, LLM_MODEL: 'general' });
    await save(alice, { scope: 'agent', LLM_MODEL: 'special' });
    const model = async () => (await all(await pageOf(alice), '#credentials-agent-LLM_MODEL'))[0]?.attributes;
    expect((await model())?.value).toBe('special');
    await save(alice, { scope: 'agent', LLM_BASE_URL: '', LLM_API_KEY: '', LLM_MODEL: '' });
    expect([(await model())?.value, (await model())?.placeholder]).toEqual([undefined, 'general']);
    await save(alice, { LLM_BASE_URL: alices.url, LLM_API_KEY: '', LLM_MODEL: 'general' });
    expect((await all(await pageOf(alice), '#credentials-all-LLM_API_KEY'))[0]?.attributes.placeholder).toBe(
      '••••••••WXYZ',
    );
  });
});

describe('the test of a connection', () => {
  const attempt = (who: Person, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    post(who, '/settings/credentials/try', { scope: '', ...fields }, headers);
  const options = (markup: string) => textsOf(markup, '#credentials-all-LLM_MODEL option');

  test('tries what is typed, offers the models, saves nothing and never sends a key back', async () => {
    const typed = { LLM_BASE_URL: alices.url, LLM_API_KEY: OWN_KEY, LLM_MODEL: 'other' };
    const whole = await attempt(alice, typed);
    const page = await whole.text();
    expect([whole.status, await options(page)]).toEqual([200, ['Choose a model', 'other', 'alices-model']]);
    expect((await textsOf(page, '#credentials-all-trial'))[0]).toMatch(/serves one model\..*Enter the key again/);
    expect((await all(page, '#credentials-all-LLM_BASE_URL'))[0]?.attributes.value).toBe(alices.url);
    const inPlace = await attempt(alice, typed, { 'hx-request': 'true' });
    const part = await inPlace.text();
    expect([await options(part), part.includes('<html')]).toEqual([['Choose a model', 'other', 'alices-model'], false]);
    for (const markup of [page, part]) expect(markup).not.toContain(OWN_KEY);
    expect(await (await alice.request('/api/me/env-overrides')).json()).toMatchObject({ overrides: { '': {} } });
  });

  test('an empty key is the stored one, at its own address only', async () => {
    await save(alice, { LLM_BASE_URL: alices.url, LLM_API_KEY: OWN_KEY });
    expect((await attempt(alice, { LLM_BASE_URL: alices.url, LLM_API_KEY: '' })).status).toBe(200);
    await using elsewhere = startUpstream({ key: OWN_KEY });
    const refused = await attempt(alice, { LLM_BASE_URL: elsewhere.url, LLM_API_KEY: '' });
    expect([refused.status, (await textsOf(await refused.text(), '#credentials-all-trial'))[0]]).toEqual([
      422,
      'Enter the key for this address: a stored one stays with its own.',
    ]);
    expect(elsewhere.requests.length + elsewhere.refusedCount).toBe(0);
  });

  test('law 15: the shared key is tried at the shared address and nowhere else', async () => {
    await save(admin, { LLM_BASE_URL: admins.url, LLM_API_KEY: ADMINS_KEY, LLM_MODEL: 'm' });
    await router.context.credentials.share(LLM, true);
    await using mallorys = startUpstream({ key: ADMINS_KEY });
    // Also for the shared address: when alice types it, it counts as her own.
    for (const url of [mallorys.url, admins.url]) {
      expect((await attempt(alice, { LLM_BASE_URL: url, LLM_API_KEY: '' })).status).toBe(422);
    }
    expect(mallorys.requests.length + mallorys.refusedCount + admins.requests.length).toBe(0);
    // Nor is a typed key sent to the shared address.
    expect((await attempt(alice, { LLM_BASE_URL: '', LLM_API_KEY: OWN_KEY })).status).toBe(422);
    const shared = await attempt(alice, { scope: 'agent', LLM_BASE_URL: '', LLM_API_KEY: '' });
    expect(await textsOf(await shared.text(), '#credentials-agent-LLM_MODEL option')).toEqual([
      'As for all agents: m',
      'admins-model',
    ]);
    expect(admins.refusedCount).toBe(0);
  });

  test('a failed test says in plain words what is wrong', async () => {
    const words = async (fields: Record<string, string>) => {
      const response = await attempt(alice, fields, { 'hx-request': 'true' });
      return [response.status, (await textsOf(await response.text(), '[role=alert]'))[0]];
    };
    const key = { LLM_API_KEY: OWN_KEY };
    const says = (text: string) => [422, expect.stringContaining(text)];
    await using closed = startUpstream();
    await closed.stop();
    expect(await words({ LLM_BASE_URL: alices.url, LLM_API_KEY: 'wrong' })).toEqual(says('refused the credentials'));
    expect(await words({ LLM_BASE_URL: closed.url, ...key })).toEqual(says('Check Base URL'));
    expect(await words({ LLM_BASE_URL: router.url, ...key })).toEqual(says('Base URL: That is the router itself'));
    expect(await words({ LLM_BASE_URL: 'http://169.254.169.254/v1', ...key })).toEqual(says('never called'));
    expect(await words({ LLM_BASE_URL: 'nonsense', ...key })).toEqual(says('Must be an http or https address'));
    expect(await words({})).toEqual(says('Enter an address to try'));
  });
});

describe('the form in place of an answer', () => {
  const agentOf = async (who: Person) => {
    await who.request('/');
    return (await router.context.agents.list(who.id)).find(({ backend }) => backend === 'agent');
  };
  /** A runner that is awake answers without credentials. */
  const asleep = async (who: Person) => router.context.runners.stop((await agentOf(who))?.id ?? '', 'test');
  const converse = async (who: Person) => {
    const agent = await agentOf(who);
    const response = await post(who, `/agents/${agent?.id}/conversations`, { text: 'Are you there?' });
    return response.headers.get('location') ?? '';
  };
  const ended = (who: Person, path: string, status: string) =>
    until(async () => {
      const page = await pageOf(who, path);
      return (await all(page, `.answer[data-status=${status}]`)).length > 0 && page;
    }, `the answer is ${status}`);
  const values = { LLM_BASE_URL: 'https://llm.example/v1', LLM_API_KEY: OWN_KEY, LLM_MODEL: 'm' };

  test('keeps what is typed for all agents and asks again, without JavaScript too', async () => {
    const path = await converse(alice);
    const page = await ended(alice, path, 'failed');
    const [form] = await all(page, '.missing-form form');
    expect((await textsOf(page, '.missing-form'))[0]).toContain('ask the administrator, who can share credentials');
    expect((await all(page, '.missing-form input[checked]'))[0]?.attributes.value).toBe('');
    expect(await all(page, '#missing-credentials')).toEqual([]);
    const action = form?.attributes.action ?? '';

    const refused = await post(alice, action, { scope: '', ...values, LLM_BASE_URL: 'nonsense', LLM_MODEL: '' });
    expect([refused.status, await textsOf(await refused.text(), '.missing-form .field-error')]).toEqual([
      422,
      ['Still missing'],
    ]);
    const wrong = await post(alice, action, { scope: '', ...values, LLM_BASE_URL: 'x' }, { 'hx-request': 'true' });
    const part = await wrong.text();
    expect([wrong.status, part.includes('<html'), part.includes(OWN_KEY)]).toEqual([422, false, false]);
    expect((await textsOf(part, '.missing-form .field-error'))[0]).toContain('Must be an http or https address');

    const saved = await post(alice, action, { scope: '', ...values });
    expect([saved.status, saved.headers.get('location')]).toEqual([303, path]);
    expect(await ended(alice, path, 'done')).toContain('Here I am.');
    expect((await (await alice.request('/api/me/env-overrides')).json()) as object).toMatchObject({
      overrides: { '': { LLM_MODEL: 'm' }, agent: {} },
    });
  });

  test('shares with everybody what the administrator enters for all agents, and nobody else can', async () => {
    await asleep(admin);
    const path = await converse(admin);
    const [button] = await all(await ended(admin, path, 'failed'), '.missing-form .share-too button');
    const action = button?.attributes.formaction ?? '';
    const typed = { scope: 'agent', ...values, LLM_BASE_URL: admins.url, LLM_API_KEY: ADMINS_KEY };
    const refused = await post(admin, action, { ...typed, LLM_MODEL: '' });
    expect([refused.status, await textsOf(await refused.text(), '.missing-form .field-error')]).toEqual([
      422,
      ['Still missing'],
    ]);
    expect((await router.context.credentials.sharing()).marked.size).toBe(0);
    expect((await post(admin, action, typed)).headers.get('location')).toBe(path);
    await ended(admin, path, 'done');
    expect((await textsOf(await pageOf(alice), '#credentials .effective .badge'))[0]).toBe(
      'shared by the administrator',
    );
    const { events } = await router.context.audit.page({}, { limit: 1 });
    expect(events[0]).toMatchObject({ action: 'credentials.shared' });
    expect(JSON.stringify(events)).not.toContain(ADMINS_KEY);

    await router.context.credentials.share(LLM, false);
    await asleep(alice);
    const own = await converse(alice);
    const page = await ended(alice, own, 'failed');
    expect(await all(page, '.share-too')).toEqual([]);
    const hers = (await all(page, '.missing-form form'))[0]?.attributes.action;
    expect((await post(alice, `${hers}/share`, { scope: '', ...values })).status).toBe(403);
    expect((await router.context.credentials.sharing()).marked.size).toBe(0);
  });

  test('tests what is typed in its place, offers the models, and saves nothing', async () => {
    await asleep(alice);
    const path = await converse(alice);
    const page = await ended(alice, path, 'failed');
    const action = (await all(page, '.missing-form form'))[0]?.attributes.action ?? '';
    expect((await all(page, `.missing-form button[formaction="${action}/try"]`)).length).toBe(1);
    const typed = { scope: 'agent', LLM_BASE_URL: alices.url, LLM_API_KEY: OWN_KEY, LLM_MODEL: '' };
    const inPlace = await post(alice, `${action}/try`, typed, { 'hx-request': 'true' });
    const part = await inPlace.text();
    expect([inPlace.status, part.includes('<html'), part.includes(OWN_KEY)]).toEqual([200, false, false]);
    expect(await textsOf(part, 'select[name="LLM_MODEL"] option')).toEqual(['Choose a model', 'alices-model']);
    expect((await textsOf(part, '.trial'))[0]).toContain('serves one model');
    // Without JavaScript the page comes again with what was typed, but for the key.
    const whole = await post(alice, `${action}/try`, typed);
    const again = await whole.text();
    expect([whole.status, again.includes('<html'), again.includes(OWN_KEY)]).toEqual([200, true, false]);
    expect((await all(again, '.missing-form input[name="LLM_BASE_URL"]'))[0]?.attributes.value).toBe(alices.url);
    expect((await all(again, '.missing-form input[checked]'))[0]?.attributes.value).toBe('agent');
    expect((await textsOf(again, '.missing-form .trial'))[0]).toContain('Enter the key again');
    const refused = await post(alice, `${action}/try`, { ...typed, LLM_API_KEY: 'wrong' }, { 'hx-request': 'true' });
    expect([refused.status, (await textsOf(await refused.text(), '[role="alert"]'))[0]]).toEqual([
      422,
      expect.stringContaining('refused the credentials'),
    ]);
    expect(await (await alice.request('/api/me/env-overrides')).json()).toMatchObject({ overrides: { '': {} } });
  });

  test('is there too when the runner is up and its call was refused', async () => {
    await save(alice, values);
    const path = await converse(alice);
    await ended(alice, path, 'done');
    await router.context.credentials.clear(alice.id, '');
    runner.reply = () => Response.json({ error: { message: 'Agent needs LLM_API_KEY.' } }, { status: 422 });
    await post(alice, `${path}/messages`, { text: 'And now?' });
    const page = await ended(alice, path, 'failed');
    expect(await all(page, '.missing-form')).toHaveLength(1);
  });

  test('asks only for missing values, and disappears when none is missing', async () => {
    await save(admin, { LLM_BASE_URL: admins.url, LLM_API_KEY: ADMINS_KEY });
    await router.context.credentials.share(LLM, true);
    const agent = (await router.context.agents.list(alice.id)).find(({ backend }) => backend === 'agent');
    await router.context.runners.stop(agent?.id ?? '', 'test');
    const path = await converse(alice);
    const page = await ended(alice, path, 'failed');
    const inputs = await all(page, '.missing-form input:not([type=radio])');
    expect(inputs.map(({ attributes }) => attributes.name)).toEqual(['LLM_MODEL']);
    await save(admin, { LLM_BASE_URL: admins.url, LLM_MODEL: 'now-there' });
    expect(await all(await pageOf(alice, path), '.missing-form')).toEqual([]);
  });

  test("mallory fills in nothing for alice's answer", async () => {
    const mallory = await router.person(PEOPLE.mallory);
    const agent = (await router.context.agents.list(alice.id)).find(({ backend }) => backend === 'agent');
    await router.context.runners.stop(agent?.id ?? '', 'test');
    const page = await ended(alice, await converse(alice), 'failed');
    const action = (await all(page, '.missing-form form'))[0]?.attributes.action ?? '';
    expect((await post(mallory, action, { scope: '', ...values })).status).toBe(404);
    expect((await post(mallory, `${action}/try`, { scope: '', ...values })).status).toBe(404);
    expect(await (await mallory.request('/api/me/env-overrides')).json()).toMatchObject({ overrides: { '': {} } });
  });
});
