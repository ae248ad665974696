/** Sign-in with OpenID Connect, against a real provider on loopback. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { type Claims, startProvider, type TestProvider } from '../support/provider';
import { ADMIN, form, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { all } from '../views/dom';

/** Ends only a test that has failed: passwords are hashed slowly on a busy machine. */
setDefaultTimeout(120_000);

const CALLBACK = 'http://localhost/sign-in/oidc/callback';
const html = { accept: 'text/html' };

let provider: TestProvider;
beforeAll(async () => {
  provider = await startProvider({ callbacks: [CALLBACK] });
});
afterAll(() => provider[Symbol.asyncDispose]());

/** A router that uses the provider. */
const start = (env: Record<string, string> = {}, now?: () => number) =>
  startRouter({ env: { ...provider.env, ALLOW_SIGNUP: 'false', ...env }, ...(now && { now }) });

let people = 0;
/** Somebody whom only the provider knows. */
function stranger(claims: Claims = {}): { login: string; email: string } {
  people += 1;
  const [login, email] = [`person-${people}`, `person-${people}@example.org`];
  provider.people.set(login, { email, email_verified: true, name: `Person ${people}`, ...claims });
  return { login, email };
}

const cookiesOf = (response: Response): string[] =>
  response.headers.getSetCookie().map((line) => line.slice(0, line.indexOf(';')));

interface Begun {
  /** Where the provider's page is. */
  readonly url: URL;
  /** Value of a `cookie` header. */
  readonly cookie: string;
}

async function begin(router: TestRouter, { query = '', cookie = '' } = {}): Promise<Begun> {
  const response = await router.request(`/sign-in/oidc${query}`, { headers: { ...html, cookie } });
  expect(response.status).toBe(303);
  const kept = cookiesOf(response).find((one) => one.includes('_oidc='));
  return { url: new URL(response.headers.get('location') ?? ''), cookie: [cookie, kept].filter(Boolean).join('; ') };
}

/** The answer of the callback. */
async function finish(router: TestRouter, login: string, { url, cookie }: Begun): Promise<Response> {
  const back = new URL(await provider.visitor(login)(url.href));
  return router.request(back.pathname + back.search, { headers: { ...html, cookie } });
}

const signIn = async (router: TestRouter, login: string, more: { query?: string; cookie?: string } = {}) =>
  finish(router, login, await begin(router, more));

/** Who the session belongs to that an answer opens. */
async function userOf(router: TestRouter, response: Response): Promise<Record<string, unknown> | undefined> {
  const cookie = cookiesOf(response).find((one) => one.startsWith('agent_stack_session=')) ?? '';
  const me = await router.request('/auth/me', { headers: { cookie } });
  return me.ok ? ((await me.json()) as { user: Record<string, unknown> }).user : undefined;
}

/** The status of the page that refuses a sign-in, and its sentence; it opens no session. */
async function refusalOf(response: Response): Promise<[number, string | undefined]> {
  expect(cookiesOf(response).filter((one) => one.startsWith('agent_stack_session='))).toEqual([]);
  return [response.status, (await all(await response.text(), '[role=alert]'))[0]?.text];
}

/** The query of the link in the person's settings that begins to link their account. */
async function linkQueryOf(person: Person): Promise<string> {
  const page = await (await person.request('/settings')).text();
  const href = (await all(page, '#you a.button'))[0]?.attributes.href ?? '';
  return href.slice(href.indexOf('?'));
}

async function auditOf(router: TestRouter): Promise<string[]> {
  const { events } = await router.context.audit.page({}, { limit: 20 });
  return events.map(({ action, actor, target, detail }) => `${action} ${actor} ${target} ${detail}`.trim());
}

describe('signing in through the provider', () => {
  let router: TestRouter;
  beforeAll(async () => {
    router = await start({ OIDC_CREATE_ACCOUNTS: 'true' });
  });
  afterAll(() => router[Symbol.asyncDispose]());

  test('makes an account at the first time, and finds it again by who it is and not by the address', async () => {
    const { login, email } = stranger();
    const first = await signIn(router, login, { query: '?next=%2Fsettings' });
    expect([first.status, first.headers.get('location')]).toEqual([303, '/settings']);
    const user = await userOf(router, first);
    expect(user).toMatchObject({ email, role: 'user', name: expect.stringMatching(/^Person \d+$/) });
    provider.people.set(login, { email: 'renamed@example.org', email_verified: false });
    expect(await userOf(router, await signIn(router, login))).toEqual(user);
    const told = await auditOf(router);
    expect(told).toContain(`user.signed_up ${email}  through ${provider.issuer}`);
    expect(told[0]).toBe(`sign-in.done ${email}  through ${provider.issuer}`);
    expect((await router.request('/auth/login', { method: 'POST', body: { email, password: '' } })).status).toBe(401);
  });

  test('uses PKCE, state and nonce, and asks for nothing but the scopes', async () => {
    const { url } = await begin(router);
    const asked = Object.fromEntries(url.searchParams);
    const isRandom = expect.stringMatching(/^[\w-]{43}$/);
    expect(asked).toEqual({
      ...{ client_id: 'agent-stack', response_type: 'code', redirect_uri: CALLBACK, scope: 'openid email profile' },
      ...{ state: isRandom, nonce: isRandom, code_challenge: isRandom, code_challenge_method: 'S256' },
    });
  });

  test('keeps what is secret of it in a cookie that only these pages get', async () => {
    const response = await router.request('/sign-in/oidc?next=/settings', { headers: html });
    const [line = ''] = response.headers.getSetCookie();
    expect(line.split('; ').slice(1).sort()).toEqual([
      'HttpOnly',
      'Max-Age=1200',
      'Path=/sign-in/oidc',
      'SameSite=Lax',
    ]);
    expect(line).not.toContain(new URL(response.headers.get('location') ?? '').searchParams.get('state') ?? '?');
    const done = await signIn(router, stranger().login);
    const cleared = done.headers.getSetCookie().find((one) => one.startsWith('agent_stack_session_oidc='));
    expect(cleared).toContain('Max-Age=0');
  });

  test('comes back to a page of ours only', async () => {
    for (const next of ['https://evil.example/', '//evil.example', '/\\evil.example', '/\t/evil.example', '']) {
      const query = `?next=${encodeURIComponent(next)}`;
      const { headers } = await signIn(router, stranger().login, { query });
      expect([next, headers.get('location')]).toEqual([next, '/']);
    }
  });

  test('a way back that is too long for a cookie is left out, and a page of any other length is come back to', async () => {
    const long = `/settings?${'x'.repeat(900)}`;
    const kept = await signIn(router, stranger().login, { query: `?next=${encodeURIComponent(long)}` });
    expect(kept.headers.get('location')).toBe(long);
    const query = `?next=%2F${'x'.repeat(9_000)}&invitation=${'y'.repeat(9_000)}`;
    const begun = await begin(router, { query });
    expect(begun.cookie.length).toBeLessThan(4_000);
    const refused = await finish(router, stranger().login, begun);
    // There is no such invitation.
    expect(refused.status).toBe(404);
  });

  test('links the account of a verified address, its administrator too, whose role stays', async () => {
    const made = await router.context.users.create({ email: 'Linked@example.org' });
    const { login } = stranger({ email: 'linked@EXAMPLE.org' });
    expect(await userOf(router, await signIn(router, login))).toMatchObject({ id: made.id });
    expect(await auditOf(router)).toContain(`identity.linked ${made.email}  through ${provider.issuer}`);
    const boss = stranger({ email: ADMIN.email });
    expect(await userOf(router, await signIn(router, boss.login))).toMatchObject({ role: 'admin' });
    const other = stranger({ email: ADMIN.email });
    expect(await refusalOf(await signIn(router, other.login))).toEqual([
      403,
      'This account is linked to another person at the sign-in service. Ask the administrator.',
    ]);
  });

  test('refuses somebody without a verified address, whatever accounts there are', async () => {
    for (const claims of [{ email_verified: false }, { email_verified: 'no' }, { email: 'nobody' }]) {
      expect(await refusalOf(await signIn(router, stranger(claims).login))).toEqual([
        403,
        'The sign-in service did not confirm an e-mail address of yours. Ask the administrator.',
      ]);
    }
    expect(
      await refusalOf(await signIn(router, stranger({ email: ADMIN.email, email_verified: false }).login)),
    ).toEqual([403, expect.stringContaining('did not confirm')]);
  });

  test('keeps a disabled user out, and ends nothing by signing out but the session here', async () => {
    const { login, email } = stranger();
    const session = await signIn(router, login);
    const cookie = cookiesOf(session).find((one) => one.startsWith('agent_stack_session=')) ?? '';
    expect((await router.request('/sign-out', { method: 'POST', headers: { cookie } })).status).toBe(303);
    expect((await router.request('/auth/me', { headers: { cookie } })).status).toBe(401);
    const user = await router.context.accounts.findByEmail(email);
    await router.context.removal.disable(user?.id ?? '');
    expect(await refusalOf(await signIn(router, login))).toEqual([
      403,
      'Your account is disabled. Ask the administrator.',
    ]);
    expect((await auditOf(router))[0]).toStartWith(`sign-in.failed ${email}`);
  });

  test('an unlinked account is linked anew, by whoever has its address then', async () => {
    const { login, email } = stranger();
    await signIn(router, login);
    const { id = '' } = (await router.context.accounts.findByEmail(email)) ?? {};
    const admin = await router.person(ADMIN);
    expect(await (await admin.request(`/admin/users/${id}`)).text()).toContain('Unlink');
    expect((await admin.request(`/admin/users/${id}/unlink`, form({}))).status).toBe(303);
    expect(await userOf(router, await signIn(router, stranger({ email }).login))).toMatchObject({ id });
  });
});

describe('an answer of the provider is refused', () => {
  let router: TestRouter;
  beforeAll(async () => {
    router = await start({ OIDC_CREATE_ACCOUNTS: 'true' });
  });
  afterAll(() => router[Symbol.asyncDispose]());

  const EXPIRED = 'This sign-in took too long, or was begun in another tab. Begin again.';

  test('without the cookie of this browser, with that of another sign-in, and with another state', async () => {
    const { login } = stranger();
    const [mine, other] = [await begin(router), await begin(router)];
    expect(await refusalOf(await finish(router, login, { ...mine, cookie: '' }))).toEqual([400, EXPIRED]);
    expect(await refusalOf(await finish(router, login, { ...mine, cookie: other.cookie }))).toEqual([400, EXPIRED]);
    mine.url.searchParams.set('state', 'of-somebody-else');
    expect(await refusalOf(await finish(router, login, mine))).toEqual([400, EXPIRED]);
    const forged = `agent_stack_session_oidc=${other.cookie.split('=')[1]}x`;
    expect(await refusalOf(await finish(router, login, { ...other, cookie: forged }))).toEqual([400, EXPIRED]);
  });

  test('with the nonce of another sign-in', async () => {
    const mine = await begin(router);
    mine.url.searchParams.set('nonce', 'a-nonce-of-somebody-else-0123456789');
    const [status, said] = await refusalOf(await finish(router, stranger().login, mine));
    expect([status, said]).toEqual([403, expect.stringContaining('could not finish the sign-in')]);
  });

  test('with the challenge of another sign-in', async () => {
    const mine = await begin(router);
    mine.url.searchParams.set('code_challenge', 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM');
    expect(await refusalOf(await finish(router, stranger().login, mine))).toEqual([400, EXPIRED]);
  });

  test('a second time, as by a reload', async () => {
    const { url, cookie } = await begin(router);
    const back = new URL(await provider.visitor(stranger().login)(url.href));
    const ask = () => router.request(back.pathname + back.search, { headers: { ...html, cookie } });
    expect((await ask()).status).toBe(303);
    expect(await refusalOf(await ask())).toEqual([400, EXPIRED]);
  });

  test('when its user refuses, on one page with the ways on', async () => {
    const refused = await finish(router, 'denies', await begin(router, { query: '?next=%2Fsettings' }));
    const page = await refused.clone().text();
    expect(await refusalOf(refused)).toEqual([
      403,
      'You did not sign in at the sign-in service, or it did not let you in.',
    ]);
    const links = (await all(page, 'main a')).map(({ attributes }) => attributes.href);
    expect(links).toEqual(['/sign-in/oidc?next=%2Fsettings', '/sign-in']);
  });

  test('after twenty minutes', async () => {
    let nowMs = Date.now();
    await using timed = await start({ OIDC_CREATE_ACCOUNTS: 'true' }, () => nowMs);
    const mine = await begin(timed);
    nowMs += 1_200_001;
    expect(await refusalOf(await finish(timed, stranger().login, mine))).toEqual([400, EXPIRED]);
  });

  test('a network that fails thirty times is kept waiting', async () => {
    await using limited = await start();
    const statuses: number[] = [];
    for (let n = 0; n < 31; n += 1) statuses.push((await limited.request('/sign-in/oidc/callback')).status);
    expect(statuses).toEqual([...Array(30).fill(400), 429]);
    const page = await limited.request('/sign-in/oidc', { headers: html });
    expect([page.status, Number(page.headers.get('retry-after')) > 0]).toEqual([429, true]);
  });
});

describe('by settings', () => {
  test('nobody gets an account unasked, but those who were added or invited', async () => {
    await using router = await start();
    const { login, email } = stranger();
    expect(await refusalOf(await signIn(router, login))).toEqual([
      403,
      'You have no account here yet. Ask the administrator for one.',
    ]);
    const forOther = await router.context.invitations.create({ email: PEOPLE.alice.email });
    expect(await refusalOf(await signIn(router, login, { query: `?invitation=${forOther.token}` }))).toEqual([
      403,
      `This invitation is for ${PEOPLE.alice.email}.`,
    ]);
    const { token } = await router.context.invitations.create({});
    const page = await (await router.request(`/sign-up/${token}`)).text();
    expect((await all(page, 'main a.button')).map(({ attributes }) => attributes.href)).toEqual([
      `/sign-in/oidc?invitation=${token}`,
    ]);
    const joined = await signIn(router, login, { query: `?invitation=${token}` });
    expect(await userOf(router, joined)).toMatchObject({ email, role: 'user' });
    expect((await router.request(`/sign-up/${token}`)).status).toBe(404);
    const late = await signIn(router, stranger().login, { query: `?invitation=${token}` });
    expect((await refusalOf(late))[0]).toBe(404);
  });

  test('only addresses of some domains sign in, also those who have an account', async () => {
    await using router = await start({ OIDC_CREATE_ACCOUNTS: 'true', OIDC_ALLOWED_DOMAINS: 'example.org, corp.test' });
    const { login } = stranger({ email: 'grace@Corp.test' });
    expect(await userOf(router, await signIn(router, login))).toMatchObject({ email: 'grace@corp.test' });
    for (const email of ['mallory@evil.test', 'mallory@sub.example.org', 'mallory@example.org.evil.test']) {
      expect(await refusalOf(await signIn(router, stranger({ email }).login))).toEqual([
        403,
        `E-mail addresses of ${email.split('@')[1]} may not sign in here.`,
      ]);
    }
    provider.people.set(login, { email: 'grace@evil.test', email_verified: true });
    expect((await refusalOf(await signIn(router, login)))[0]).toBe(403);
  });

  test('another claim names the account, and is believed', async () => {
    await using router = await start({ OIDC_LINK_CLAIM: 'preferred_username' });
    const made = await router.context.users.create({ email: 'upn@example.org' });
    const { login } = stranger({ email_verified: false, preferred_username: 'upn@example.org' });
    expect(await userOf(router, await signIn(router, login))).toMatchObject({ id: made.id });
    const { login: without } = stranger();
    expect((await refusalOf(await signIn(router, without)))[0]).toBe(403);
  });

  const OWNER_FIRST =
    'There is an account with your address. Sign in with its password, and link it in Settings. If you did not make it, ask the administrator.';

  test('an account with a password is linked only by its owner, in the browser that began it', async () => {
    await using router = await start({ ALLOW_SIGNUP: 'true' });
    const alice = await router.person(PEOPLE.alice);
    const mallory = await router.person(PEOPLE.mallory);
    const { login } = stranger({ email: PEOPLE.alice.email });
    expect(await refusalOf(await signIn(router, login))).toEqual([403, OWNER_FIRST]);
    const query = await linkQueryOf(alice);
    // Somebody else's browser links nothing.
    const begun = await begin(router, { query, cookie: alice.cookie });
    const theirs = { ...begun, cookie: begun.cookie.replace(alice.cookie, mallory.cookie) };
    expect((await refusalOf(await finish(router, login, theirs)))[0]).toBe(400);
    const linked = await signIn(router, login, { query, cookie: alice.cookie });
    expect([linked.status, linked.headers.get('location')]).toEqual([303, '/settings?card=you&said=linked#you-said']);
    expect(await userOf(router, await signIn(router, login))).toMatchObject({ id: alice.id });
    // One person has one account.
    const again = await signIn(router, login, { query: await linkQueryOf(mallory), cookie: mallory.cookie });
    expect((await refusalOf(again))[0]).toBe(409);
  });

  test('an account that was made by an open invitation or with the invite code is not given to who has its address', async () => {
    await using router = await start({ ALLOW_SIGNUP: 'true', INVITE_CODE: 'shared-by-all' });
    const { token } = await router.context.invitations.create({});
    const { email, password } = PEOPLE.alice;
    const made = await router.request(`/auth/invitations/${token}`, { method: 'POST', body: { email, password } });
    const { bob } = PEOPLE;
    const body = { ...bob, invite_code: 'shared-by-all' };
    const signedUp = await router.request('/auth/signup', { method: 'POST', body });
    expect([made.ok, signedUp.ok]).toEqual([true, true]);
    for (const one of [email, bob.email]) {
      const { login } = stranger({ email: one });
      expect(await refusalOf(await signIn(router, login))).toEqual([403, OWNER_FIRST]);
      expect((await router.context.accounts.findByEmail(one))?.identity).toBe(null);
    }
    // An account that never had a password is linked.
    const added = await router.context.users.create({ email: 'added@example.org' });
    const { login } = stranger({ email: added.email });
    expect(await userOf(router, await signIn(router, login))).toMatchObject({ id: added.id });
  });

  test('a link of another site, or of the settings of somebody else, links nothing', async () => {
    await using router = await start({ ALLOW_SIGNUP: 'true' });
    const alice = await router.person(PEOPLE.alice);
    const mallory = await router.person(PEOPLE.mallory);
    const { login } = stranger();
    for (const query of ['?link=1', '?link=', await linkQueryOf(mallory)]) {
      const answer = await signIn(router, login, { query, cookie: alice.cookie });
      expect([query, ...(await refusalOf(answer))]).toEqual([query, 403, expect.stringContaining('no account here')]);
    }
    expect((await router.context.accounts.find(alice.id))?.identity).toBe(null);
    await signIn(router, login, { query: await linkQueryOf(alice), cookie: alice.cookie });
    expect(await userOf(router, await signIn(router, login))).toMatchObject({ id: alice.id });
  });

  test('the e-mail address may be in the ID token, and nothing else is asked for then', async () => {
    await using telling = await startProvider({ callbacks: [CALLBACK], inIdToken: true });
    await using router = await startRouter({ env: { ...telling.env, OIDC_CREATE_ACCOUNTS: 'true' } });
    telling.people.set('ada', { email: 'ada@example.org', email_verified: true });
    const { url, cookie } = await begin(router);
    const back = new URL(await telling.visitor('ada')(url.href));
    const answer = await router.request(back.pathname + back.search, { headers: { cookie } });
    expect(await userOf(router, answer)).toMatchObject({ email: 'ada@example.org' });
    expect(telling.asked.filter((path) => path === '/me')).toEqual([]);
    // The signature of the ID token was checked.
    expect(telling.asked).toContain('/jwks');
  });
});

describe('where passwords are switched off', () => {
  let router: TestRouter;
  let admin: Person;
  beforeAll(async () => {
    router = await start({ PASSWORD_SIGN_IN: 'false', OIDC_CREATE_ACCOUNTS: 'true' });
    admin = await router.person(ADMIN);
  });
  afterAll(() => router[Symbol.asyncDispose]());

  test('the administrator signs in with one, and everybody else is refused in the same words', async () => {
    const { stores, users } = router.context;
    const { id } = await users.create({ email: PEOPLE.bob.email });
    await stores.users.setPassword(id, await Bun.password.hash(PEOPLE.bob.password));
    const refused = async (who: { email: string; password: string }) => {
      const response = await router.request('/auth/login', { method: 'POST', body: who });
      return [response.status, ((await response.json()) as { detail: string }).detail];
    };
    const words = 'The e-mail address or the password is wrong. Only the administrator signs in with a password here.';
    expect(await refused(PEOPLE.bob)).toEqual([401, words]);
    expect(await refused({ email: 'nobody@example.org', password: 'x' })).toEqual([401, words]);
    expect(await refused({ email: ADMIN.email, password: 'x' })).toEqual([401, words]);
    expect((await admin.request('/auth/me')).status).toBe(200);
  });

  test('an account with a password loses it with all sessions and keys when it is linked by its address', async () => {
    const { accounts, keys, sessions, stores, users } = router.context;
    const before = async (email: string) => {
      const { id } = await users.create({ email });
      await stores.users.setPassword(id, await Bun.password.hash(PEOPLE.bob.password));
      await sessions.open(id, { address: '192.0.2.1', browser: 'of somebody else' });
      return { id, ...(await keys.create(id, 'of somebody else')) };
    };
    const left = async (id: string) => {
      const [user, open, held] = [await accounts.find(id), await sessions.list(id), await keys.list(id)];
      return [user?.passwordHash !== '', open.map(({ browser }) => browser), held.length];
    };
    const account = await before('first@example.org');
    const other = await before('second@example.org');
    const models = () => router.request('/v1/models', { headers: { authorization: `Bearer ${account.secret}` } });
    expect((await models()).status).toBe(200);
    const person = stranger({ email: 'first@example.org' });
    const signedIn = await signIn(router, person.login);
    expect(await userOf(router, signedIn)).toMatchObject({ id: account.id });
    expect(await left(account.id)).toEqual([false, [''], 0]);
    expect((await models()).status).toBe(401);
    expect(await auditOf(router)).toContain(
      `identity.linked first@example.org  through ${provider.issuer}; its password, sessions and keys were removed`,
    );
    // What is refused removes nothing, and neither does a later sign-in.
    const unverified = stranger({ email: 'second@example.org', email_verified: false });
    expect((await refusalOf(await signIn(router, unverified.login)))[0]).toBe(403);
    expect(await left(other.id)).toEqual([true, ['of somebody else'], 1]);
    await keys.create(account.id, 'of the owner');
    await signIn(router, person.login);
    expect((await left(account.id))[2]).toBe(1);
    // The administrator keeps the password.
    expect(await userOf(router, await signIn(router, stranger({ email: ADMIN.email }).login))).toMatchObject({
      role: 'admin',
    });
    expect((await admin.request('/auth/me')).status).toBe(200);
    expect((await router.request('/auth/login', { method: 'POST', body: ADMIN })).status).toBe(200);
  });

  test('nobody gets a password: not by an invitation, a reset link, the administrator or in Settings', async () => {
    const { invitations, users } = router.context;
    const { token } = await invitations.create({});
    const page = await (await router.request(`/sign-up/${token}`)).text();
    expect(await all(page, 'form')).toEqual([]);
    const { bob } = PEOPLE;
    expect((await router.request(`/sign-up/${token}`, form({ ...bob, email: 'x@example.org' }))).status).toBe(403);
    const { id } = await users.create({ email: 'without@example.org' });
    expect((await admin.request(`/admin/users/${id}/reset-link`, form({}))).status).toBe(403);
    expect((await admin.request(`/admin/users/${id}/password`, form({ password: bob.password }))).status).toBe(403);
    const body = { email: 'y@example.org', password: bob.password };
    expect((await admin.request('/api/admin/users', { method: 'POST', body })).status).toBe(403);
    const added = await admin.request('/admin/users', form({ email: 'added@example.org', name: '' }));
    expect(added.headers.get('location')).toMatch(/^\/admin\/users\/\w+\?said=created$/);
    const { login } = stranger({ email: 'added@example.org' });
    const session = await signIn(router, login);
    const cookie = cookiesOf(session).find((one) => one.startsWith('agent_stack_session=')) ?? '';
    const settings = await (await router.request('/settings', { headers: { cookie } })).text();
    expect(await all(settings, '#old-password')).toEqual([]);
    const typed = { old_password: '', new_password: bob.password };
    expect((await router.request('/settings/you/password', { ...form(typed), headers: { cookie } })).status).toBe(422);
    // The account is deleted by its address instead.
    const remove = (password: string) =>
      router.request('/api/me', { method: 'DELETE', body: { password }, headers: { cookie } });
    expect((await remove('somebody@example.org')).status).toBe(401);
    expect((await remove(' Added@example.org')).status).toBe(204);
  });

  test('the sign-in page has the button first, and the form of the administrator folded', async () => {
    const page = await (await router.request('/sign-in?next=%2Fsettings')).text();
    const [button] = await all(page, 'main a.button');
    expect([button?.text, button?.attributes.href]).toEqual([
      'Sign in with Keycloak',
      '/sign-in/oidc?next=%2Fsettings',
    ]);
    expect((await all(page, 'details #sign-in')).length).toBe(1);
    expect((await all(page, '[autofocus]')).length).toBe(0);
  });
});

test('a provider that does not answer is said on a page, and the router starts and tries again', async () => {
  const gone = await startProvider({ callbacks: [CALLBACK] });
  await gone[Symbol.asyncDispose]();
  await using router = await startRouter({ env: gone.env });
  expect((await router.request('/healthz')).status).toBe(200);
  for (let n = 0; n < 2; n += 1) {
    const response = await router.request('/sign-in/oidc', { headers: html });
    expect(await refusalOf(response)).toEqual([
      502,
      'The sign-in service does not answer right now. Try again in a moment, or ask the administrator.',
    ]);
  }
});

test('an answer that is not that of the provider in the settings sends people to the administrator, not to another try', async () => {
  const answers = {
    another: (issuer: string) => Response.json({ issuer: `${issuer}/other`, jwks_uri: issuer }),
    none: () => new Response('There is no such page', { status: 404 }),
    page: () => new Response('<html>Sign in</html>', { headers: { 'content-type': 'text/html' } }),
    broken: () => new Response('Out of order', { status: 503 }),
  };
  const told: unknown[] = [];
  for (const answer of Object.values(answers)) {
    await using provider = Bun.serve({
      ...{ port: 0, hostname: '127.0.0.1' },
      fetch: ({ url }) => answer(new URL(url).origin),
    });
    const env = { OIDC_ISSUER: `http://127.0.0.1:${provider.port}`, OIDC_CLIENT_ID: 'agent-stack' };
    await using router = await startRouter({ env });
    told.push(await refusalOf(await router.request('/sign-in/oidc', { headers: html })));
  }
  const wrong = [502, 'The sign-in service is not set up right. Ask the administrator.'];
  const later = [
    502,
    'The sign-in service does not answer right now. Try again in a moment, or ask the administrator.',
  ];
  expect(told).toEqual([wrong, wrong, wrong, later]);
});

test('a provider that hangs keeps nobody from signing in with a password, and only so many wait for it', async () => {
  const asked = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  const hanging = Bun.serve({
    ...{ port: 0, hostname: '127.0.0.1' },
    async fetch() {
      asked.resolve();
      await answered.promise;
      return new Response(null, { status: 503 });
    },
  });
  const env = { OIDC_ISSUER: `http://127.0.0.1:${hanging.port}`, OIDC_CLIENT_ID: 'agent-stack' };
  await using router = await startRouter({ env });
  let ended = 0;
  const ask = async () => {
    const response = await router.request('/sign-in/oidc', { headers: html });
    ended += 1;
    return response;
  };
  // 20 at once, and 100 that wait.
  const waiting = Array.from({ length: 121 }, ask);
  await asked.promise;
  const refused = await Promise.race(waiting);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '2']);
  expect((await router.request('/auth/login', { method: 'POST', body: ADMIN })).status).toBe(200);
  expect(ended).toBe(1);
  answered.resolve();
  const statuses = (await Promise.all(waiting)).map(({ status }) => status).sort();
  expect(statuses).toEqual([429, ...Array(120).fill(502)]);
  await hanging.stop(true);
});
