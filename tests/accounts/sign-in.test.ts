import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { accountsService } from '../../router/accounts/accounts';
import { passwordsService } from '../../router/accounts/passwords/passwords';
import { sessionsService } from '../../router/accounts/sessions/sessions';
import { openDatabase } from '../../router/database/database';
import { createEvents } from '../../router/lib/events';
import { createStores } from '../../router/stores';
import { ADMIN, form, PEOPLE, startRouter, type TestRouter } from '../support/router';
import { all } from '../views/dom';

/** Only ends a failed test: hashing passwords is slow on a busy machine. */
setDefaultTimeout(120_000);

const { alice, bob, mallory } = PEOPLE;
const isUserId = expect.stringMatching(/^[0-9a-f]{24}$/);

const json = (body: object) => ({ method: 'POST', body });
const attributesOf = (response: Response) =>
  (response.headers.get('set-cookie') ?? '').split('; ').map((one) => one.replace(/^agent_stack_session=.+/, 'token'));

describe('signing in', () => {
  let router: TestRouter;
  beforeAll(async () => {
    router = await startRouter();
    await router.person(alice);
  });
  afterAll(() => router[Symbol.asyncDispose]());

  test("sign-in, me and sign-out answer the predecessor's JSON", async () => {
    const signedIn = await router.request('/auth/login', json(alice));
    const user = { id: isUserId, email: alice.email, name: 'Alice', slug: 'alice', role: 'user' };
    expect([signedIn.status, await signedIn.json()]).toEqual([200, { user }]);
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? '';
    const me = await router.request('/auth/me', { headers: { cookie } });
    expect([me.status, await me.json()]).toEqual([200, { user }]);
    const signedOut = await router.request('/auth/logout', { method: 'POST', headers: { cookie } });
    expect([signedOut.status, await signedOut.json()]).toEqual([200, { ok: true }]);
    expect(attributesOf(signedOut)).toContain('Max-Age=0');
  });

  test('the bootstrap admin is there, and is an admin', async () => {
    const { user } = (await (await router.request('/auth/login', json(ADMIN))).json()) as { user: object };
    expect(user).toEqual({ id: isUserId, email: ADMIN.email, name: 'Admin', slug: 'admin', role: 'admin' });
  });

  test('the cookie is for this site, not for scripts, and for a week', async () => {
    const response = await router.request('/auth/login', json(alice));
    expect(attributesOf(response).sort()).toEqual(['HttpOnly', 'Max-Age=604800', 'Path=/', 'SameSite=Lax', 'token']);
  });

  test('the address may be written with other capitals and with spaces', async () => {
    expect((await router.request('/auth/login', json({ ...alice, email: ' ALICE@Example.org ' }))).status).toBe(200);
  });

  test('an unknown user and a wrong password get the same answer', async () => {
    const bodies = await Promise.all(
      ['nobody@example.org', alice.email].map(async (email) => {
        const response = await router.request('/auth/login', json({ email, password: 'not the one' }));
        const { request_id: _, ...body } = (await response.json()) as Record<string, unknown>;
        return { status: response.status, cookie: response.headers.get('set-cookie'), body };
      }),
    );
    expect(bodies[0]).toMatchObject({ status: 401, cookie: null, body: { code: 'wrong_credentials' } });
    expect(bodies[1]).toEqual(bodies[0] as never);
  });

  test('the form answers 303, or 422 with the address kept and the password not', async () => {
    const right = await router.request('/sign-in', form({ ...alice, next: '/settings?a=1' }));
    expect([right.status, right.headers.get('location')]).toEqual([303, '/settings?a=1']);
    expect(attributesOf(right)).toContain('HttpOnly');
    const wrong = await router.request('/sign-in', form({ email: alice.email, password: 'wr0ng-password' }));
    const page = await wrong.text();
    expect([wrong.status, wrong.headers.get('set-cookie')]).toEqual([422, null]);
    expect(page).not.toContain('wr0ng-password');
    expect((await all(page, 'input[name=email]'))[0]?.attributes.value).toBe(alice.email);
    expect((await all(page, '[role=alert]'))[0]?.text).toContain('password is wrong');
  });

  test.each([
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    'javascript:alert(1)',
    '',
  ])('after signing in nobody is sent to %j', async (next) => {
    const response = await router.request('/sign-in', form({ ...alice, next }));
    expect([response.status, response.headers.get('location')]).toEqual([303, '/']);
  });

  test('a signed-in user sees no sign-in page', async () => {
    const person = await router.person(alice);
    for (const path of ['/sign-in', '/sign-up']) {
      const response = await person.request(path);
      expect([path, response.status, response.headers.get('location')]).toEqual([path, 303, '/']);
    }
  });
});

describe('signing up', () => {
  test('creates a regular user, whatever the request says, and signs it in', async () => {
    await using router = await startRouter();
    const asked = { email: ' Bob@Example.org', password: 'bob-secret-1', name: 'Bob Ünïcode', role: 'admin', id: 'x' };
    const response = await router.request('/auth/signup', json(asked));
    const user = { id: isUserId, email: 'bob@example.org', name: 'Bob Ünïcode', slug: 'bob-unicode', role: 'user' };
    expect([response.status, await response.json()]).toEqual([200, { user }]);
    const cookie = response.headers.get('set-cookie')?.split(';')[0] ?? '';
    expect((await router.request('/auth/me', { headers: { cookie } })).status).toBe(200);
  });

  test('takes null for a field that was left blank, as the page of the predecessor sends it', async () => {
    await using router = await startRouter();
    const response = await router.request('/auth/signup', json({ ...bob, name: null, invite_code: null }));
    expect([response.status, await response.json()]).toMatchObject([200, { user: { name: null, slug: 'bob' } }]);
  });

  test('is refused with the field that is wrong, by JSON and by form', async () => {
    await using router = await startRouter();
    await router.person(bob);
    const refused = async (fields: Record<string, string>) => {
      const response = await router.request('/auth/signup', json({ ...mallory, ...fields }));
      return [response.status, ((await response.json()) as { detail: string }).detail];
    };
    expect(await refused({ email: 'mallory' })).toEqual([400, 'email: Not an e-mail address']);
    expect(await refused({ password: 'short' })).toEqual([400, 'password: At least 8 characters']);
    expect(await refused({ email: bob.email })).toEqual([409, 'That e-mail address already has an account.']);
    const response = await router.request('/sign-up', form({ email: 'mallory', password: 's3cret', name: 'Mal "x"' }));
    const page = await response.text();
    expect(response.status).toBe(422);
    expect((await all(page, 'input[name=name]'))[0]?.attributes.value).toBe('Mal "x"');
    expect((await all(page, 'input[name=email]'))[0]?.attributes['aria-invalid']).toBe('true');
    expect((await all(page, '#password-error'))[0]?.text).toBe('At least 8 characters');
    expect(page).not.toContain('s3cret');
  });

  test('a name or an address with control characters is refused: no environment of a runner takes them', async () => {
    await using router = await startRouter();
    for (const control of ['\0', '\u0007', '\r', '\u001b', '\u2028']) {
      for (const fields of [{ name: `Mal${control}lory` }, { email: `mal${control}lory@example.org` }]) {
        const response = await router.request('/auth/signup', json({ ...mallory, ...fields }));
        const { detail } = (await response.json()) as { detail: string };
        expect([control, response.status, detail.split(':')[0]]).toEqual([control, 400, Object.keys(fields)[0] ?? '']);
      }
    }
  });

  test('knows an address that is written in another way', async () => {
    await using router = await startRouter();
    await router.person(bob);
    for (const email of ['BOB@example.org', ' bob@example.org\t', 'Ｂob@example.org']) {
      const response = await router.request('/auth/signup', json({ ...bob, email }));
      expect([email, response.status]).toEqual([email, 409]);
    }
  });

  test('at the same moment for one address makes one account', async () => {
    await using router = await startRouter();
    const tries = Array.from({ length: 8 }, () => router.request('/auth/signup', json(bob)));
    const statuses = (await Promise.all(tries)).map(({ status }) => status);
    expect(statuses.sort()).toEqual([200, 409, 409, 409, 409, 409, 409, 409]);
  });

  test('at the same moment under one name makes different slugs', async () => {
    await using router = await startRouter();
    const tries = ['a', 'b', 'c'].map((who) =>
      router.request('/auth/signup', json({ ...bob, email: `${who}@example.org` })),
    );
    const slugs = await Promise.all(tries.map(async (one) => ((await (await one).json()) as SignedUp).user.slug));
    expect(slugs.sort()).toEqual(['bob', 'bob-2', 'bob-3']);
  });

  test('is closed unless it was opened', async () => {
    await using router = await startRouter({ env: { ALLOW_SIGNUP: '' } });
    expect((await router.request('/auth/signup', json(bob))).status).toBe(403);
    expect((await router.request('/sign-up', form(bob))).status).toBe(403);
    expect((await router.request('/sign-up')).status).toBe(403);
    expect(await all(await (await router.request('/sign-in')).text(), 'a[href="/sign-up"]')).toEqual([]);
    expect((await router.request('/auth/login', json(bob))).status).toBe(401);
  });

  test('wants the invite code where there is one', async () => {
    await using router = await startRouter({ env: { INVITE_CODE: 'tall-green-bicycle' } });
    const page = await router.request('/sign-up', form({ ...bob, invite_code: 'tall-green' }));
    expect(page.status).toBe(422);
    expect((await all(await page.text(), '#invite-code-error'))[0]?.text).toBe('Not valid');
    for (const code of [{}, { invite_code: '' }, { invite_code: 'Tall-Green-Bicycle' }]) {
      expect((await router.request('/auth/signup', json({ ...bob, ...code }))).status).toBe(403);
    }
    const right = { ...bob, invite_code: ' tall-green-bicycle ' };
    expect((await router.request('/auth/signup', json(right))).status).toBe(200);
  });
});

interface SignedUp {
  readonly user: { readonly slug: string };
}

test('there is one admin, whoever tries to make another and when', async () => {
  using database = disposable(openDatabase(':memory:'));
  const { users, sessions: store } = createStores(database.db);
  const sessions = sessionsService({ store, events: createEvents(), ttlSeconds: 60, now: Date.now });
  const accounts = accountsService({
    ...{ users, sessions, passwords: passwordsService(), signup: { open: true }, now: Date.now },
    changed: async () => undefined,
  });
  const admins = ['a', 'b', 'c'].map((who) => ({
    email: `${who}@example.org`,
    name: who,
    password: 'admin-secret-12',
  }));
  await Promise.allSettled(admins.map((admin) => accounts.bootstrapAdmin(admin)));
  const first = await users.findAdmin();
  const others = await Promise.all(admins.map(({ email }) => users.findByEmail(email)));
  expect(others.filter((user) => user !== undefined)).toEqual([first as never]);
  const second = { ...first, id: 'ab'.repeat(12), email: 'z@example.org', slug: 'z' };
  expect(users.insert(second as never)).rejects.toThrow();
  await accounts.bootstrapAdmin({ email: 'z@example.org', name: 'z', password: 'admin-secret-12' });
  expect(await users.findAdmin()).toEqual(first as never);
});

function disposable<T extends { close(): void }>(database: T): T & Disposable {
  return Object.assign(database, { [Symbol.dispose]: () => database.close() });
}

describe('guessing passwords', () => {
  const guess = (router: TestRouter, email: string) =>
    router.request('/auth/login', json({ email, password: 'not the one' }));

  test('ends after ten for one account, also when they come at once, also with the right one', async () => {
    await using router = await startRouter();
    await router.person(alice);
    const admin = await router.person(ADMIN);
    const statuses = (await Promise.all(Array.from({ length: 16 }, () => guess(router, ADMIN.email)))).map(
      ({ status }) => status,
    );
    expect([401, 429].map((status) => statuses.filter((one) => one === status).length)).toEqual([10, 6]);
    const refused = await router.request('/auth/login', json({ ...ADMIN, email: 'Admin@example.org' }));
    expect([refused.status, refused.headers.get('set-cookie')]).toEqual([429, null]);
    expect(Number(refused.headers.get('retry-after'))).toBeWithin(1, 301);
    const page = await router.request('/sign-in', form(ADMIN));
    expect([page.status, page.headers.get('retry-after')]).toEqual([429, expect.stringMatching(/^\d+$/)]);
    expect((await router.request('/auth/login', json(alice))).status).toBe(200);
    expect((await admin.request('/auth/me')).status).toBe(200);
  });

  test('ends after thirty from one address, for that address', async () => {
    await using router = await startRouter();
    const tries = Array.from({ length: 32 }, (_, index) => guess(router, `nobody${index}@example.org`));
    const statuses = (await Promise.all(tries)).map(({ status }) => status);
    expect([401, 429].map((status) => statuses.filter((one) => one === status).length)).toEqual([30, 2]);
    expect((await router.request('/auth/login', json(ADMIN))).status).toBe(429);
    const elsewhere = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(ADMIN) };
    expect((await fetch(`${router.url}/auth/login`, elsewhere)).status).toBe(200);
  });

  test('and invite codes by signing up ends after ten an hour', async () => {
    await using router = await startRouter({ env: { INVITE_CODE: 'tall-green-bicycle' } });
    const tries = Array.from({ length: 11 }, () => router.request('/auth/signup', json({ ...bob, invite_code: 'x' })));
    const answers = await Promise.all(tries);
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array.from({ length: 10 }, () => 403), 429]);
    expect(answers.find(({ status }) => status === 429)?.headers.get('retry-after')).toMatch(/^\d+$/);
  });
});
