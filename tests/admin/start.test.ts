/** The administrator's first steps: what is done comes from what is there. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { ADMIN, form, memoryBackend, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { startUpstream, type Upstream } from '../support/upstream';
import { all } from '../views/dom';

/** Ends only a test that has failed: passwords are hashed slowly on a busy machine. */
setDefaultTimeout(120_000);

const START = '/admin/start';
const env = { ALLOW_SIGNUP: 'false' };
const keyed = memoryBackend('keyed', { user_overridable_env: ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'] });

let upstream: Upstream;
let router: TestRouter;
let admin: Person;
beforeAll(async () => {
  upstream = startUpstream();
  router = await startRouter({ backends: [memoryBackend('echo'), keyed], env });
  admin = await router.person(ADMIN);
});
afterAll(async () => {
  await router[Symbol.asyncDispose]();
  await upstream.stop();
});

/** The steps of the page, each with whether it is done and whether it is open. */
async function stepsOf(response: Response): Promise<string[]> {
  const page = await response.text();
  const ids = (await all(page, '.start-steps > li')).map(({ attributes }) => attributes.id ?? '');
  const told = ids.map(async (id) => {
    const isDone = (await all(page, `#${id} summary .badge`)).length > 0;
    const isOpen = (await all(page, `#${id} details[open]`)).length > 0;
    return `${id.replace('start-', '')}${isDone ? ' done' : ''}${isOpen ? ' open' : ''}`;
  });
  return Promise.all(told);
}
const steps = async (path = START) => stepsOf(await admin.request(path));
const landing = async (who: typeof ADMIN | typeof PEOPLE.alice, next?: string) =>
  (await router.request('/sign-in', form({ ...who, ...(next && { next }) }))).headers.get('location');

test('each step is done by what is there afterwards, and the first that is not done is open', async () => {
  expect(await steps()).toEqual(['model open', 'share', 'invite', 'answer']);
  const typed = { scope: '', LLM_BASE_URL: upstream.url, LLM_API_KEY: upstream.key };
  const tried = await admin.request('/settings/credentials/try?from=start', form(typed));
  const page = await tried.text();
  expect([tried.status, (await all(page, '#start-model [role=status]')).length]).toEqual([200, 1]);
  const saved = await admin.request('/settings/credentials?from=start', form({ ...typed, LLM_MODEL: 'test-model' }));
  expect([saved.status, saved.headers.get('location')]).toEqual([303, `${START}?said=credentials`]);
  expect(await steps()).toEqual(['model done', 'share open', 'invite', 'answer']);
  const shared = await admin.request('/settings/credentials/share?from=start', form({ group: 'llm', shared: 'true' }));
  expect(shared.headers.get('location')).toBe(`${START}?said=shared`);
  expect(await steps()).toEqual(['model done', 'share done', 'invite open', 'answer']);
  const invited = await admin.request('/admin/invitations?from=start', form({ email: '', uses: '1', days: '7' }));
  expect(invited.headers.get('location')).toBe(`${START}?step=invite`);
  const shown = await (await admin.request(`${START}?step=invite`)).text();
  expect((await all(shown, '#invitation-link code'))[0]?.text).toContain('/sign-up/');
  expect(await steps()).toEqual(['model done', 'share done', 'invite done', 'answer open']);
  const ask = (await all(shown, '#start-answer form'))[0]?.attributes.action ?? '';
  expect((await admin.request(ask, form({ text: 'Hello' }))).status).toBe(303);
  expect(await steps()).toEqual(['model done', 'share done', 'invite done', 'answer done']);
});

test('what is refused is shown on this page, in its step, and elsewhere on the page of its own', async () => {
  const typed = { scope: '', LLM_BASE_URL: 'nonsense' };
  const refused = await admin.request('/settings/credentials?from=start', form(typed));
  const page = await refused.clone().text();
  expect([refused.status, (await stepsOf(refused))[0]]).toEqual([422, 'model done open']);
  expect((await all(page, '#start-model [aria-invalid]')).length).toBe(1);
  const inSettings = await (await admin.request('/settings/credentials', form(typed))).text();
  expect(await all(inSettings, '.start-steps')).toEqual([]);
  const invitation = { email: 'nobody', uses: '1', days: '7' };
  const wrong = await admin.request('/admin/invitations?from=start', form(invitation));
  expect([wrong.status, (await stepsOf(wrong)).includes('invite done open')]).toEqual([422, true]);
});

test('every step leads past itself', async () => {
  await using fresh = await startRouter({ backends: [memoryBackend('echo'), keyed], env });
  const person = await fresh.person(ADMIN);
  const page = await (await person.request(START)).text();
  const links = (await all(page, '.step-body > p > a')).map(({ attributes }) => attributes.href);
  expect(links).toEqual([
    ...[`${START}?step=share#start-share`, `${START}?step=invite#start-invite`],
    ...[`${START}?step=answer#start-answer`, '/'],
  ]);
  expect(await stepsOf(await person.request(`${START}?step=invite`))).toEqual([
    ...['model', 'share', 'invite open', 'answer'],
  ]);
});

test('where no agent calls an LLM, there is none to set', async () => {
  await using plain = await startRouter({ env });
  expect(await stepsOf(await (await plain.person(ADMIN)).request(START))).toEqual(['invite open', 'answer']);
});

test('a sign-in leads a new administrator there, until there is an answer or it is not wanted any more', async () => {
  await using fresh = await startRouter();
  const landingOf = async (who: typeof ADMIN | typeof PEOPLE.alice, next = '/') =>
    (await fresh.request('/sign-in', form({ ...who, next }))).headers.get('location');
  await fresh.person(PEOPLE.alice);
  expect(await landingOf(ADMIN)).toBe(START);
  expect(await landingOf(ADMIN, '/settings')).toBe('/settings');
  expect(await landingOf(PEOPLE.alice)).toBe('/');
  const person = await fresh.person(ADMIN);
  const dismissed = await person.request(`${START}/dismiss`, form({}));
  expect([dismissed.status, dismissed.headers.get('location')]).toEqual([303, '/']);
  expect(await landingOf(ADMIN)).toBe('/');
  const page = await person.request(START);
  expect([page.status, await page.text()]).toEqual([200, expect.not.stringContaining('dismiss')]);
  // In the first router there is an answer.
  expect(await landing(ADMIN)).toBe('/');
});

test('nobody but the administrator opens it, and the forms of others are not answered by it', async () => {
  await using open = await startRouter({ backends: [keyed] });
  const alice = await open.person(PEOPLE.alice);
  for (const [path, init] of [[START], [`${START}/dismiss`, form({})]] as const) {
    expect((await alice.request(path, init)).status).toBe(403);
    expect((await open.request(path, init)).status).toBe(401);
  }
  const page = await alice.request('/settings/credentials?from=start', form({ scope: '', LLM_BASE_URL: 'nonsense' }));
  expect([page.status, await all(await page.text(), '.start-steps')]).toEqual([422, []]);
});
