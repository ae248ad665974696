/** What users change of their own account: name, password, sessions. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { passwordsService } from '../../router/accounts/passwords/passwords';
import { ADMIN, form, PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { all, textsOf } from '../views/dom';

/** Ends only a test that has failed: passwords are hashed slowly on a busy machine. */
setDefaultTimeout(120_000);

const { alice, mallory } = PEOPLE;
let router: TestRouter;

beforeAll(async () => {
  router = await startRouter();
});
afterAll(() => router[Symbol.asyncDispose]());

let count = 0;
/** Somebody new with a session, and a second session of the same account. */
async function someone() {
  count += 1;
  const who = { email: `user${count}@example.org`, name: `User ${count}`, password: 'green-bicycle-9' };
  // The limit of sign-ups from one address is the subject of other tests.
  await router.context.accounts.signUp(who);
  return { who, here: await router.person(who), there: await router.person(who) };
}

/** Resolves when a live stream of the person is open; its `ended` resolves when that has ended. */
async function openLive(person: Person): Promise<{ ended: Promise<unknown> }> {
  // Makes the agents, whose states are the first bytes of the stream.
  await person.request('/');
  const stream = await fetch(`${router.url}/live`, { headers: { cookie: person.cookie } });
  return { ended: stream.text() };
}

async function listed(person: Person): Promise<{ id: string; current: boolean; browser: string }[]> {
  return ((await (await person.request('/api/me/sessions')).json()) as { sessions: never[] }).sessions;
}

describe('the name', () => {
  test('is changed by the form and by JSON, and where null or nothing is sent it stays', async () => {
    const { here } = await someone();
    const saved = await here.request('/settings/you/name', form({ name: ' Ada ' }));
    expect([saved.status, saved.headers.get('location')]).toEqual([303, '/settings?card=you&said=renamed#you-said']);
    const nameOf = async (body: object) =>
      ((await (await here.request('/api/me', { method: 'PATCH', body })).json()) as { user: { name: string } }).user
        .name;
    expect(await nameOf({})).toBe('Ada');
    expect(await nameOf({ name: null })).toBe('Ada');
    expect(await nameOf({ name: 'Grace' })).toBe('Grace');
    expect(await (await here.request('/settings?card=you&said=renamed')).text()).toContain('That is your name now');
  });

  test('with control characters is refused beside the field, and the card keeps what was typed', async () => {
    const { here } = await someone();
    const refused = await here.request('/settings/you/name', form({ name: 'A\u0007da' }));
    expect(refused.status).toBe(422);
    expect(await textsOf(await refused.text(), '#your-name-error')).toEqual([
      'Must be one line without control characters',
    ]);
  });

  test('a program that uses a key sees at once is the new one of its owner', async () => {
    const { here } = await someone();
    const key = await here.createKey();
    const ask = () => router.request('/v1/models', { headers: { authorization: `Bearer ${key}` } });
    await ask();
    await here.request('/settings/you/name', form({ name: 'Renamed' }));
    expect((await router.context.keys.find(key))?.user.name).toBe('Renamed');
  });
});

describe('the password', () => {
  const change = (person: Person, old_password: string, new_password: string) =>
    person.request('/settings/you/password', form({ old_password, new_password }));
  const canSignIn = async (email: string, password: string) =>
    (await router.request('/auth/login', { method: 'POST', body: { email, password } })).status;

  test('law 20: once changed ends all other sessions and their streams, and keeps this one', async () => {
    const { who, here, there } = await someone();
    const { ended } = await openLive(there);
    const changed = await change(here, who.password, 'another-bicycle-7');
    expect([changed.status, changed.headers.get('location')]).toEqual([
      303,
      '/settings?card=you&said=password#you-said',
    ]);
    await ended;
    expect((await there.request('/auth/me')).status).toBe(401);
    expect((await here.request('/auth/me')).status).toBe(200);
    expect(await canSignIn(who.email, who.password)).toBe(401);
    expect(await canSignIn(who.email, 'another-bicycle-7')).toBe(200);
  });

  test('needs the old one, and a wrong one is told beside its field', async () => {
    const { who, here } = await someone();
    const refused = await change(here, 'not-the-old-one', 'another-bicycle-7');
    const page = await refused.text();
    expect(refused.status).toBe(422);
    expect(await textsOf(page, '#old-password-error')).toEqual(['Not your password']);
    expect((await all(page, '#you details[open]')).length).toBe(1);
    expect(page).not.toContain('another-bicycle-7');
    const body = { old_password: 'not-the-old-one', new_password: 'another-bicycle-7' };
    expect((await here.request('/api/me/password', { method: 'PUT', body })).status).toBe(401);
    expect(await canSignIn(who.email, who.password)).toBe(200);
  });

  test.each([
    ['short', 'At least 8 characters'],
    ['Password1', 'One of the most common passwords, which are guessed first'],
    ['x'.repeat(201), 'At most 200 characters'],
  ])('%s is refused by the one policy: %s', async (password, problem) => {
    const { who, here } = await someone();
    const page = await (await change(here, who.password, password)).text();
    expect(await textsOf(page, '#new-password-error')).toEqual([problem]);
    // The rule stands beside a password that keeps to it, and is not said twice.
    expect(await textsOf(page, '#new-password-help')).toEqual(['Every other browser is signed out.']);
    const signUp = { email: `new${count}@example.org`, password, name: 'New' };
    expect(router.context.accounts.signUp(signUp)).rejects.toMatchObject({ fields: { password: problem } });
  });

  test('cannot be guessed in a session that was stolen: wrong old ones count as failed sign-ins', async () => {
    await using own = await startRouter();
    await own.context.accounts.signUp(alice);
    const person = await own.person(alice);
    const body = { old_password: 'a-guess-000', new_password: 'another-bicycle-7' };
    const guess = async () => (await person.request('/api/me/password', { method: 'PUT', body })).status;
    const statuses: number[] = [];
    for (let n = 0; n < 11; n += 1) statuses.push(await guess());
    expect(statuses).toEqual([...Array(10).fill(401), 429]);
  });
});

describe('sessions', () => {
  test('are listed with the browser and the time, and this one is marked', async () => {
    const { who, here } = await someone();
    const agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0';
    const body = JSON.stringify(who);
    const headers = { 'content-type': 'application/json', 'user-agent': agent };
    await fetch(`${router.url}/auth/login`, { method: 'POST', headers, body });
    const found = await listed(here);
    expect(found.filter(({ current }) => current).length).toBe(1);
    expect(found.find(({ browser }) => browser === 'Firefox, Linux')).toMatchObject({
      address: '127.0.0.1',
      current: false,
      created_at: expect.any(Number),
    });
    const page = await (await here.request('/settings')).text();
    expect((await textsOf(page, '#you .rows')).join()).toContain('Firefox, Linux');
  });

  test('law 20: a revoked one is signed out, and its streams end', async () => {
    const { here, there } = await someone();
    const id = (await listed(there)).find(({ current }) => current)?.id;
    const { ended } = await openLive(there);
    const revoked = await here.request(`/settings/sessions/${id}/revoke`, form());
    expect(revoked.headers.get('location')).toBe('/settings?card=you&said=session#you-said');
    await ended;
    expect((await there.request('/auth/me')).status).toBe(401);
    expect((await here.request('/auth/me')).status).toBe(200);
  });

  test('are revoked all but this one', async () => {
    const { here, there } = await someone();
    await here.request('/settings/sessions/revoke-others', form());
    expect([(await there.request('/auth/me')).status, (await listed(here)).length]).toEqual([401, 1]);
  });

  test('keep when they were last used over a restart', async () => {
    let nowMs = Date.now();
    const first = await startRouter({ now: () => nowMs });
    const person = await first.person(alice);
    nowMs += 60_000;
    await person.request('/auth/me');
    await first.stop();
    await using second = await startRouter({ now: () => nowMs, dataRoot: first.dataRoot });
    const [session] = await second.context.sessions.list(person.id);
    expect(session?.seenAtMs).toBe(nowMs);
  });
});

describe('an account', () => {
  test('law 20: is deleted by its owner with the password, and its sessions, streams and keys end', async () => {
    const { who, here, there } = await someone();
    const key = await here.createKey();
    const { ended } = await openLive(there);
    const refused = await here.request('/settings/you/delete', form({ password: 'not-the-one' }));
    expect(refused.status).toBe(422);
    expect(await textsOf(await refused.text(), '#delete-password-error')).toEqual(['Not your password']);
    const gone = await here.request('/settings/you/delete', form({ password: who.password }));
    expect([gone.status, gone.headers.get('location')]).toEqual([303, '/sign-in']);
    expect(gone.headers.get('set-cookie')).toContain('Max-Age=0');
    await ended;
    expect((await there.request('/auth/me')).status).toBe(401);
    expect((await router.request('/v1/models', { headers: { authorization: `Bearer ${key}` } })).status).toBe(401);
    expect(await router.context.stores.users.find(here.id)).toBeUndefined();
  });

  test('is deleted by JSON too', async () => {
    const { who, here } = await someone();
    const remove = async (password: string) =>
      (await here.request('/api/me', { method: 'DELETE', body: { password } })).status;
    expect([await remove('not-the-one'), await remove(who.password), await remove(who.password)]).toEqual([
      401, 204, 401,
    ]);
  });

  test('of the administrator cannot be deleted, and offers no such form', async () => {
    const admin = await router.person(ADMIN);
    const answer = await admin.request('/api/me', { method: 'DELETE', body: { password: ADMIN.password } });
    expect(answer.status).toBe(400);
    expect(await all(await (await admin.request('/settings')).text(), '#delete-password')).toEqual([]);
    expect((await admin.request('/auth/me')).status).toBe(200);
  });
});

describe('nobody else', () => {
  let victim: Person;
  let key: string;
  let sessionId: string | undefined;
  const doors = (): [string, string, object?][] => [
    ['GET', '/api/me'],
    ['PATCH', '/api/me', { name: 'Taken over' }],
    ['PUT', '/api/me/password', { old_password: 'x', new_password: 'y' }],
    ['DELETE', '/api/me', { password: 'x' }],
    ['POST', '/settings/you/delete', { password: 'x' }],
    ['GET', '/api/me/sessions'],
    ['DELETE', `/api/me/sessions/${sessionId}`],
    ['POST', '/settings/you/name', { name: 'Taken over' }],
    ['POST', '/settings/you/password', { old_password: 'x', new_password: 'y' }],
    ['POST', `/settings/sessions/${sessionId}/revoke`, {}],
    ['POST', '/settings/sessions/revoke-others', {}],
  ];
  beforeEach(async () => {
    victim = (await someone()).here;
    key = await victim.createKey();
    sessionId = (await listed(victim))[0]?.id;
  });

  test('gets in without a session, nor with a key, whatever it may manage', async () => {
    const keys = router.context.keys;
    const { secret: managing } = await keys.create(victim.id, 'managing', { scopes: ['v1', 'manage'] });
    for (const [method, path, body] of doors()) {
      const init = { method, ...(body && { body }) };
      expect([path, (await router.request(path, init)).status]).toEqual([path, 401]);
      for (const one of [key, managing]) {
        const headers = { authorization: `Bearer ${one}` };
        expect([path, (await router.request(path, { ...init, headers })).status]).toEqual([path, 401]);
      }
    }
  });

  test('gets in from another site with the cookie of the victim', async () => {
    for (const [method, path, body] of doors().filter(([method]) => method !== 'GET')) {
      const headers = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
      const answer = await victim.request(path, { method, headers, ...(body && { body }) });
      expect([path, answer.status]).toEqual([path, 403]);
    }
    expect((await victim.request('/auth/me')).status).toBe(200);
  });

  test('ends the session of another user', async () => {
    const other = await router.person(mallory);
    expect((await other.request(`/api/me/sessions/${sessionId}`, { method: 'DELETE' })).status).toBe(404);
    expect((await other.request(`/settings/sessions/${sessionId}/revoke`, form())).status).toBe(404);
    expect((await victim.request('/auth/me')).status).toBe(200);
  });
});

test('more passwords than can be hashed soon are refused with 503, and those before them are not', async () => {
  const passwords = passwordsService({ atOnce: 3, queuedMax: 5 });
  const tries = Array.from({ length: 20 }, () =>
    passwords.hash('green-bicycle-9').then(
      () => 200,
      ({ status }) => status,
    ),
  );
  const statuses = await Promise.all(tries);
  const [done = 0, refused = 0] = [200, 503].map((status) => statuses.filter((one) => one === status).length);
  // Five wait, and beside them one to three are hashed at once, by the number of cores.
  expect(done).toBeWithin(6, 9);
  expect(done + refused).toBe(20);
  expect(await passwords.matches('green-bicycle-9', await passwords.hash('green-bicycle-9'))).toBe(true);
});
