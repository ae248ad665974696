/** In which language a page is: the user's setting, then the browser's languages. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { ADMIN, form, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { all } from '../views/dom';

/** Ends only a test that has failed: passwords are hashed slowly on a busy machine. */
setDefaultTimeout(120_000);

let router: TestRouter;
beforeAll(async () => {
  router = await startRouter();
});
afterAll(() => router[Symbol.asyncDispose]());

const languageOf = async (page: Response) => (await all(await page.text(), 'html'))[0]?.attributes.lang;
const asking = (language: string) => ({ headers: { 'accept-language': language, accept: 'text/html' } });

test.each([
  ['zh-CN,zh;q=0.9,en;q=0.8', 'zh-Hans'],
  ['zh-TW', 'zh-Hans'],
  ['en-GB,zh;q=0.9', 'en'],
  ['zh;q=0.5,en;q=0.9', 'en'],
  ['de-DE,zh;q=0.5', 'zh-Hans'],
  ['zh;q=0', 'en'],
  ['de', 'en'],
  ['x-nonsense-,,;q=,zh-1', 'en'],
  ['', 'en'],
])('a browser that asks for "%s" gets %s', async (asked, language) => {
  expect(await languageOf(await router.request('/sign-in', asking(asked)))).toBe(language);
});

test('a page that does not exist is refused in the language of its reader', async () => {
  const refused = await router.request('/nowhere', asking('zh-CN'));
  expect(refused.status).toBe(404);
  const page = await refused.text();
  expect(page).toContain('lang="zh-Hans"');
  expect((await all(page, 'h1'))[0]?.text).toBe('未找到');
});

test('in Chinese a number stands apart from its word, as in all other texts', async () => {
  const alice = await router.person(PEOPLE.alice);
  await alice.request('/agents');
  const { agents } = (await (await alice.request('/api/agents')).json()) as { agents: { id: string }[] };
  const settings = await alice.request(`/agents/${agents[0]?.id}/settings`, asking('zh-CN'));
  const idle = await all(await settings.text(), '#agent-idle option');
  expect(idle.map(({ text }) => text)).toContain('30 分钟');
});

test('the errors of the API are English for everybody', async () => {
  const refused = await router.request('/api/nowhere', { headers: { 'accept-language': 'zh-CN' } });
  expect(await refused.json()).toMatchObject({ title: 'Not found', code: 'not_found' });
});

async function setLanguage(person: Person, language: string) {
  const saved = await person.request('/settings/you/language', form({ language }));
  expect([saved.status, saved.headers.get('location')]).toEqual([303, '/settings?card=you&said=language#you-said']);
}

test("the user's setting goes before the browser's languages, until it is taken back", async () => {
  const bob = await router.person(PEOPLE.bob);
  expect(await languageOf(await bob.request('/settings', asking('en')))).toBe('en');
  await setLanguage(bob, 'zh');
  const settings = await (await bob.request('/settings?card=you&said=language', asking('en'))).text();
  expect(settings).toContain('已保存，之后所有页面都使用这种语言。');
  expect((await all(settings, '#your-language option[selected]')).map(({ text }) => text)).toEqual(['简体中文']);
  expect(await languageOf(await bob.request('/conversations/none', asking('en')))).toBe('zh-Hans');
  expect(await languageOf(await bob.request('/nowhere', asking('en')))).toBe('zh-Hans');
  await setLanguage(bob, '');
  expect(await languageOf(await bob.request('/settings', asking('en')))).toBe('en');
});

test('a language that the pages do not have is not stored', async () => {
  const alice = await router.person(PEOPLE.alice);
  await setLanguage(alice, '../../etc');
  expect(await languageOf(await alice.request('/settings', asking('zh')))).toBe('zh-Hans');
});

test('the live stream speaks the language of its page', async () => {
  const mallory = await router.person(PEOPLE.mallory);
  await setLanguage(mallory, 'zh');
  await mallory.request('/');
  const away = new AbortController();
  const stream = await fetch(`${router.url}/live`, { headers: { cookie: mallory.cookie }, signal: away.signal });
  const reader = (stream.body as ReadableStream<Uint8Array<ArrayBuffer>>).pipeThrough(new TextDecoderStream());
  let told = '';
  for await (const piece of reader) {
    told += piece;
    if (told.includes('休眠')) break;
  }
  away.abort();
  expect(told).toContain('休眠');
});

test('numbers are written as in the region of the browser', async () => {
  const admin = await router.person(ADMIN);
  const price = { model: 'small', prompt: '1.5', completion: '2000', cached: '' };
  expect((await admin.request('/admin/prices', form(price))).status).toBe(303);
  const written = async (language: string) =>
    (await all(await (await admin.request('/admin/prices', asking(language))).text(), '#content')).map(
      (one) => one.text,
    );
  expect(await written('en-US')).toEqual([expect.stringMatching(/1\.50.*2,000\.00/)]);
  expect(await written('de')).toEqual([expect.stringMatching(/1,50.*2\.000,00/)]);
});

test('a refused form says what is wrong in the language of its reader', async () => {
  const typed = new URLSearchParams({ email: 'nobody', password: 'short', name: 'A\u0007' });
  const headers = { ...asking('zh-CN').headers, origin: 'http://localhost' };
  const refused = await router.request('/sign-up', { method: 'POST', headers, body: typed });
  expect(refused.status).toBe(422);
  const problems = (await all(await refused.text(), '.field-error')).map(({ text }) => text);
  expect(problems.sort()).toEqual(['不是有效的电子邮箱', '必须为一行，且不含控制字符', '至少 8 个字符'].sort());
});
