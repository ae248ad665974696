/** Invitations: links with which people sign up while sign-up is closed. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { type Door, expectAdminsOnly } from '../support/doors';
import { ADMIN, form, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { all, textsOf } from '../views/dom';

/** Ends only a test that has failed: passwords are hashed slowly on a busy machine. */
setDefaultTimeout(120_000);

const { alice, bob, mallory } = PEOPLE;
let nowMs = Date.now();
let router: TestRouter;
let admin: Person;

beforeAll(async () => {
  router = await startRouter({ env: { ALLOW_SIGNUP: 'false' }, now: () => nowMs });
  admin = await router.person(ADMIN);
});
afterAll(() => router[Symbol.asyncDispose]());

/** Makes an invitation by JSON. @returns its id and the path of its link. */
async function invite(asked: object): Promise<{ id: string; path: string }> {
  const response = await admin.request('/api/admin/invitations', { method: 'POST', body: asked });
  const { invitation, url } = (await response.json()) as { invitation: { id: string }; url: string };
  return { id: invitation.id, path: new URL(url).pathname };
}
const accept = (path: string, who: { email: string; name: string; password: string }) =>
  router.request(path, form({ ...who }));
const fresh = (n: number) => ({ email: `invited-${n}@example.org`, name: `Invited ${n}`, password: 'green-bicycle-9' });

test('a link that is made on the page is shown once, lets one person in, and is nowhere in the database', async () => {
  const made = await admin.request('/admin/invitations', form({ email: '', uses: '1', days: '7' }));
  // A redirect: a reload of what the browser then shows makes no second one.
  expect([made.status, made.headers.get('location')]).toEqual([303, '/admin/invitations']);
  const elsewhere = await router.person(ADMIN);
  expect(await (await elsewhere.request('/admin/invitations')).text()).not.toContain('/sign-up/');
  const page = await (await admin.request('/admin/invitations')).text();
  const [url = ''] = /http:\/\/localhost\/sign-up\/[\w-]+/.exec(page) ?? [];
  const path = new URL(url).pathname;
  expect(await (await admin.request('/admin/invitations')).text()).not.toContain(path);
  const file = await Bun.file(join(router.dataRoot, 'router.db-wal')).bytes();
  expect(Buffer.from(file).includes(path.slice('/sign-up/'.length))).toBe(false);
  expect((await router.request(path)).status).toBe(200);
  const joined = await accept(path, alice);
  expect([joined.status, joined.headers.get('location')]).toEqual([303, '/']);
  const cookie = joined.headers.get('set-cookie')?.split(';')[0] ?? '';
  const { user } = (await (await router.request('/auth/me', { headers: { cookie } })).json()) as { user: object };
  expect(user).toMatchObject({ email: alice.email, role: 'user' });
  expect([(await router.request(path)).status, (await accept(path, bob)).status]).toEqual([404, 404]);
  expect((await router.request('/sign-up')).status).toBe(403);
});

test('by JSON the invited get the session and the members of a sign-up', async () => {
  const { path } = await invite({ email: null, uses: null });
  const answer = await router.request(path.replace('/sign-up', '/auth/invitations'), {
    method: 'POST',
    body: fresh(1),
  });
  expect([answer.status, answer.headers.get('set-cookie') !== null]).toEqual([200, true]);
  expect(await answer.json()).toMatchObject({ user: { email: 'invited-1@example.org', slug: 'invited-1' } });
});

test('for an address it is for that address only, which the page fills in', async () => {
  const { path } = await invite({ email: ' Bob@Example.org', uses: 5 });
  expect((await all(await (await router.request(path)).text(), '#email'))[0]?.attributes.value).toBe(bob.email);
  const refused = await accept(path, mallory);
  expect(refused.status).toBe(422);
  expect(await textsOf(await refused.text(), '#email-error')).toEqual([`This invitation is for ${bob.email}`]);
  expect((await accept(path, bob)).status).toBe(303);
  expect((await router.request(path)).status).toBe(404);
});

test('for two lets two in, however many come at once, and a refused one uses nothing up', async () => {
  const { path } = await invite({ uses: 2 });
  expect((await accept(path, { ...fresh(10), password: 'short' })).status).toBe(422);
  expect((await accept(path, { ...fresh(10), email: ADMIN.email })).status).toBe(409);
  const statuses = (await Promise.all([11, 12, 13, 14].map((n) => accept(path, fresh(n))))).map(({ status }) => status);
  expect(statuses.filter((status) => status === 303).length).toBe(2);
  expect(await router.context.stores.users.findByEmail(ADMIN.email)).toMatchObject({ role: 'admin' });
});

test('a link that only this machine can open says so, and one with a public address does not', async () => {
  const shown = async (of: TestRouter) => {
    const person = await of.person(ADMIN);
    await person.request('/admin/invitations', form({ email: '', uses: '1', days: '7' }));
    const page = await (await person.request('/admin/invitations')).text();
    return (await all(page, '#invitation-link'))[0]?.text ?? '';
  };
  expect(await shown(router)).toContain('Only this machine can open this address');
  await using known = await startRouter({ env: { ROUTER_PUBLIC_BASE_URL: 'https://agents.example.org' } });
  const told = await shown(known);
  expect(told).toContain('https://agents.example.org/sign-up/');
  expect(told).not.toContain('Only this machine');
});

test('is not valid after its days, nor when it was revoked', async () => {
  const late = await invite({ days: 1 });
  const revoked = await invite({});
  nowMs += 86_400_000 - 1_000;
  expect((await router.request(late.path)).status).toBe(200);
  nowMs += 2_000;
  expect((await router.request(late.path)).status).toBe(404);
  expect((await router.request(revoked.path)).status).toBe(200);
  admin = await router.person(ADMIN);
  await admin.request(`/admin/invitations/${revoked.id}/revoke`, form());
  expect([(await router.request(revoked.path)).status, (await accept(revoked.path, fresh(20))).status]).toEqual([
    404, 404,
  ]);
  const { invitations } = (await (await admin.request('/api/admin/invitations')).json()) as { invitations: object[] };
  expect(invitations.length).toBeGreaterThan(1);
  expect(JSON.stringify(invitations)).not.toMatch(/hash|token/);
});

test('is refused with the fields that are wrong', async () => {
  const refused = await admin.request('/admin/invitations', form({ email: 'nobody', uses: '0', days: '91' }));
  const page = await refused.text();
  expect(refused.status).toBe(422);
  expect((await textsOf(page, '.field-error')).sort()).toEqual([
    'A whole number from 1 to 1000',
    'A whole number from 1 to 90',
    'Not an e-mail address',
  ]);
  const taken = await admin.request('/api/admin/invitations', { method: 'POST', body: { email: ADMIN.email } });
  expect(taken.status).toBe(409);
});

describe('nobody but the administrator', () => {
  test('makes, lists or revokes them: not signed out, not as another user, not with a key, not from another site', async () => {
    const { id } = await invite({});
    await router.context.users.create(fresh(30));
    const other = await router.person(fresh(30));
    const doors: Door[] = [
      ['GET', '/admin/invitations'],
      ['POST', '/admin/invitations', { email: '', uses: '1', days: '1' }],
      ['POST', `/admin/invitations/${id}/revoke`, {}],
      ['GET', '/api/admin/invitations'],
      ['POST', '/api/admin/invitations', {}],
      ['DELETE', `/api/admin/invitations/${id}`],
    ];
    await expectAdminsOnly(router, { admin, other, doors });
  });

  test('gets in by guessing: an address that tries too many links is kept waiting', async () => {
    await using own = await startRouter();
    const statuses: number[] = [];
    for (let n = 0; n < 32; n += 1) statuses.push((await own.request(`/sign-up/guess-${n}`)).status);
    expect([404, 429].map((status) => statuses.filter((one) => one === status).length)).toEqual([30, 2]);
  });
});
