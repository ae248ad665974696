import { afterAll, beforeAll, expect, test } from 'bun:test';
import { PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { all } from '../views/dom';

let router: TestRouter;
let alice: Person;
beforeAll(async () => {
  router = await startRouter();
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());

const html = { accept: 'text/html' };

test("law 21: whatever is answered carries a content security policy of 'self'", async () => {
  for (const path of ['/', '/settings', '/sign-in', '/assets/app.js', '/v1/models', '/auth/me', '/nowhere']) {
    const { headers } = await alice.request(path, { headers: html });
    const policy = headers.get('content-security-policy') ?? '';
    expect([path, policy]).toEqual([path, expect.stringContaining("default-src 'self'; script-src 'self'; style-src")]);
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect([headers.get('x-content-type-options'), headers.get('x-frame-options')]).toEqual(['nosniff', 'DENY']);
  }
});

test('law 21: no page has a script, style or handler in itself', async () => {
  const home = (await alice.request('/')).headers.get('location') ?? '';
  for (const path of [home, '/settings', '/sign-in', '/sign-up', '/nowhere']) {
    const person = path.startsWith('/sign-') ? router : alice;
    const page = await (await person.request(path, { headers: html })).text();
    const linked = await all(page, 'script, link[rel=stylesheet]');
    expect(linked.length).toBeGreaterThan(2);
    for (const { attributes, text } of linked) {
      expect([attributes.src ?? attributes.href, text]).toEqual([expect.stringMatching(/^\/assets\/\S+$/), '']);
    }
    expect(await all(page, 'style, [style], base, iframe, object')).toEqual([]);
    expect(page).not.toMatch(/\s(on[a-z]+|hx-on[^=\s]*)=|javascript:|="js:/);
  }
});
