/** The pages of refusals: what they are called, and where they lead. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { PEOPLE, startRouter, type TestRouter } from '../support/router';
import { all } from '../views/dom';

/** Ends only a test that has failed: passwords are hashed slowly on a busy machine. */
setDefaultTimeout(120_000);

let router: TestRouter;
beforeAll(async () => {
  router = await startRouter();
});
afterAll(() => router[Symbol.asyncDispose]());

const html = { headers: { accept: 'text/html' } };

async function shownBy(page: Response) {
  const text = await page.text();
  const [title] = await all(text, 'h1');
  const [way] = await all(text, '.error-body a');
  return { status: page.status, title: title?.text, way: way?.text.trim() };
}

test('who is not signed in is led to the sign-in, and who is to their agents', async () => {
  const asked = '/sign-up/not-a-link';
  const wayOut = { status: 404, title: 'Not found', way: 'Sign in' };
  expect(await shownBy(await router.request(asked, html))).toEqual(wayOut);
  const alice = await router.person(PEOPLE.alice);
  const home = { title: 'Not found', way: 'Go to your agents' };
  expect(await shownBy(await alice.request('/nowhere', html))).toEqual({ status: 404, ...home });
  // A part of a page has no sidebar, and a page that is too large is refused before anybody knows whose it is.
  const part = { headers: { ...html.headers, 'hx-request': 'true' } };
  expect(await shownBy(await alice.request('/nowhere', part))).toEqual({ status: 404, ...home });
  const large = { ...html, method: 'POST', body: 'x'.repeat(router.context.config.maxBodyBytes + 1) };
  expect((await shownBy(await alice.request('/settings/name', large))).way).toBe(home.way);
});

test('a page for administrators says to others that they may not see it', async () => {
  const alice = await router.person(PEOPLE.alice);
  const refused = await shownBy(await alice.request('/admin/users', html));
  expect(refused).toEqual({ status: 403, title: 'Not allowed', way: 'Go to your agents' });
});
