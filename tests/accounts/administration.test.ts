/** Users in the hands of the administrator: pages, the predecessor's users API, reset links, disabling, deleting. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Door, expectAdminsOnly } from '../support/doors';
import {
  ADMIN,
  form,
  memoryBackend,
  PEOPLE,
  type Person,
  startRouter,
  type TestRouter,
  until,
} from '../support/router';
import { completion, scriptedRunner } from '../support/scripted-runner';
import { all, textsOf } from '../views/dom';

/** Ends only a test that has failed: passwords are hashed slowly on a busy machine. */
setDefaultTimeout(120_000);

const PASSWORD = 'green-bicycle-9';
const runner = scriptedRunner('administration');
runner.reply = ({ text }) => (text.includes('for ever') ? new Response(endless()) : completion('Hello.'));
let router: TestRouter;
let admin: Person;

/** A body that begins and never ends. */
const endless = () =>
  new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(': it begins\n\n')) });

beforeAll(async () => {
  router = await startRouter({
    backends: [memoryBackend('echo', {}, runner.program)],
    env: { ALLOW_SIGNUP: 'false', DELETED_USERS_DAYS: '0' },
  });
  admin = await router.person(ADMIN);
});
afterAll(() => router[Symbol.asyncDispose]());

let count = 0;
/** Somebody new whom the administrator has made, signed in. */
async function someone() {
  count += 1;
  const who = { email: `user${count}@example.org`, name: `User ${count}`, password: PASSWORD };
  await router.context.users.create(who);
  return { who, person: await router.person(who) };
}

async function json(person: Person, method: string, path: string, body?: object) {
  const response = await person.request(path, { method, ...(body && { body }) });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}
const login = async (email: string, password: string) =>
  (await router.request('/auth/login', { method: 'POST', body: { email, password } })).status;

/** Asks the echo agent something, so that its runner is up. */
async function say(key: string, content: string, stream = false): Promise<Response> {
  return fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'echo', messages: [{ role: 'user', content }], stream }),
  });
}

describe("the predecessor's users API", () => {
  test('makes, changes and deletes a user with the statuses and members of the predecessor', async () => {
    const made = await json(admin, 'POST', '/api/admin/users', {
      email: ' New@Example.org',
      password: PASSWORD,
      name: 'Néw Person',
    });
    const user = {
      ...{ id: expect.stringMatching(/^[0-9a-f]{24}$/), email: 'new@example.org', name: 'Néw Person' },
      ...{ slug: 'new-person', role: 'user', created_at: expect.any(Number), disabled: false },
    };
    expect(made).toEqual({ status: 200, body: { user } });
    const { id } = made.body.user;
    const { body } = await json(admin, 'GET', '/api/admin/users');
    expect(body.users).toContainEqual({ ...user, id });
    expect(JSON.stringify(body)).not.toMatch(/argon2|hash/i);
    expect(await json(admin, 'PATCH', `/api/admin/users/${id}`, { name: null, password: null })).toEqual({
      status: 200,
      body: { user },
    });
    const renamed = await json(admin, 'PATCH', `/api/admin/users/${id}`, { name: ' ', password: 'another-bicycle-7' });
    expect(renamed).toEqual({ status: 200, body: { user: { ...user, name: null } } });
    expect([await login('new@example.org', PASSWORD), await login('new@example.org', 'another-bicycle-7')]).toEqual([
      401, 200,
    ]);
    expect(await json(admin, 'DELETE', `/api/admin/users/${id}`)).toEqual({ status: 204, body: undefined });
    expect((await json(admin, 'DELETE', `/api/admin/users/${id}`)).status).toBe(404);
    expect((await json(admin, 'PATCH', `/api/admin/users/${id}`, { name: 'x' })).status).toBe(404);
  });

  test('refuses what is not right with 400 and an address that has an account with 409', async () => {
    const { who } = await someone();
    const refused = async (body: object) => {
      const answer = await json(admin, 'POST', '/api/admin/users', body);
      return [answer.status, answer.body.detail];
    };
    expect(await refused({ email: 'nobody', password: PASSWORD })).toEqual([400, 'email: Not an e-mail address']);
    expect(await refused({ email: 'x@example.org', password: 'short' })).toEqual([
      400,
      'password: At least 8 characters',
    ]);
    expect(await refused({ email: who.email, password: PASSWORD })).toEqual([
      409,
      'That e-mail address already has an account.',
    ]);
  });

  test('lists newest first, searches, and pages without skipping or repeating', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      const { body } = await json(admin, 'POST', '/api/admin/users', {
        email: `paged-${n}@example.org`,
        name: n % 2 === 0 ? `100%_${n}` : null,
        password: null,
      });
      ids.unshift(body.user.id);
    }
    const seen: string[] = [];
    let after = '';
    for (;;) {
      const { body } = await json(admin, 'GET', `/api/admin/users?search=PAGED-&limit=2${after}`);
      seen.push(...body.users.map(({ id }: { id: string }) => id));
      if (!body.has_more) break;
      after = `&after=${seen.at(-1)}`;
    }
    expect(seen.toSorted()).toEqual(ids.toSorted());
    const found = await json(admin, 'GET', '/api/admin/users?search=100%25_');
    expect(found.body.users.length).toBe(3);
    expect((await json(admin, 'GET', '/api/admin/users?search=%25')).body.users.length).toBe(3);
  });
});

describe('there is exactly one administrator', () => {
  test('whom nobody creates, promotes, demotes, disables or deletes', async () => {
    const { person } = await someone();
    const refusals = [
      await json(admin, 'POST', '/api/admin/users', { email: 'z@example.org', password: PASSWORD, role: 'admin' }),
      await json(admin, 'PATCH', `/api/admin/users/${person.id}`, { role: 'admin' }),
      await json(admin, 'PATCH', `/api/admin/users/${admin.id}`, { role: 'user' }),
      await json(admin, 'PATCH', `/api/admin/users/${admin.id}`, { disabled: true }),
      await json(admin, 'PATCH', `/api/admin/users/${admin.id}`, { password: 'another-bicycle-7' }),
      await json(admin, 'POST', `/api/admin/users/${admin.id}/reset-link`),
      await json(admin, 'DELETE', `/api/admin/users/${admin.id}`),
    ];
    expect(refusals.map(({ status }) => status)).toEqual(refusals.map(() => 400));
    const typed = await admin.request(`/admin/users/${admin.id}/delete`, form({ typed: ADMIN.name }));
    expect(typed.status).toBe(400);
    expect(await all(await (await admin.request(`/admin/users/${admin.id}`)).text(), '#removal')).toEqual([]);
    expect((await router.context.stores.users.findAdmin())?.id).toBe(admin.id);
    expect((await admin.request('/auth/me')).status).toBe(200);
  });
});

describe('a reset link', () => {
  const tokenOf = (url: string) => url.slice(url.lastIndexOf('/') + 1);

  test('lets a user in who was made without a password, once, and is nowhere in the database', async () => {
    const made = await json(admin, 'POST', '/api/admin/users', { email: 'linked@example.org', name: 'Linked' });
    const { url, expires_at } = made.body.reset_link;
    expect(url).toStartWith('http://localhost/reset/');
    expect(expires_at * 1000).toBeWithin(Date.now() + 23 * 3_600_000, Date.now() + 25 * 3_600_000);
    expect(await login('linked@example.org', '')).toBe(401);
    const path = new URL(url).pathname;
    expect(await (await router.request(path)).text()).toContain('linked@example.org');
    expect((await router.request(path, form({ password: 'short' }))).status).toBe(422);
    const file = await Bun.file(join(router.dataRoot, 'router.db-wal')).bytes();
    expect(Buffer.from(file).includes(tokenOf(url))).toBe(false);
    const used = await router.request(path, form({ password: PASSWORD }));
    expect([used.status, used.headers.get('location')]).toEqual([303, '/']);
    const cookie = used.headers.get('set-cookie')?.split(';')[0] ?? '';
    expect((await router.request('/auth/me', { headers: { cookie } })).status).toBe(200);
    expect((await router.request(path)).status).toBe(404);
    expect((await router.request(path, form({ password: PASSWORD }))).status).toBe(404);
    expect(await login('linked@example.org', PASSWORD)).toBe(200);
  });

  test('used twice at the same moment sets one password', async () => {
    const { person } = await someone();
    const { body } = await json(admin, 'POST', `/api/admin/users/${person.id}/reset-link`);
    const path = `/auth/reset/${tokenOf(body.reset_link.url)}`;
    const tries = ['green-bicycle-1', 'green-bicycle-2'].map((password) =>
      router.request(path, { method: 'POST', body: { password } }),
    );
    const statuses = (await Promise.all(tries)).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([200, 404]);
  });

  test('ends all sessions, and is not valid after another one, after its time, or for a disabled user', async () => {
    let nowMs = Date.now();
    await using timed = await startRouter({ now: () => nowMs });
    const alice = await timed.person(PEOPLE.alice);
    const { users } = timed.context;
    const first = await users.resetLink(alice.id);
    const second = await users.resetLink(alice.id);
    const statusOf = async ({ token }: { token: string }) => (await timed.request(`/reset/${token}`)).status;
    expect([await statusOf(first), await statusOf(second)]).toEqual([404, 200]);
    await timed.context.removal.disable(alice.id);
    expect(await statusOf(second)).toBe(404);
    await timed.context.removal.enable(alice.id);
    nowMs += 24 * 3_600_000 + 1;
    expect(await statusOf(second)).toBe(404);
    const third = await users.resetLink(alice.id);
    const again = await timed.person(PEOPLE.alice);
    await users.reset(third.token, PASSWORD);
    expect((await again.request('/auth/me')).status).toBe(401);
  });

  test('cannot be guessed: an address that tries too many is kept waiting', async () => {
    await using own = await startRouter();
    const statuses: number[] = [];
    for (let n = 0; n < 32; n += 1) statuses.push((await own.request(`/reset/guess-${n}`)).status);
    expect([404, 429].map((status) => statuses.filter((one) => one === status).length)).toEqual([30, 2]);
  });
});

describe('a disabled user', () => {
  test('law 20: loses sessions, keys, streams, answers and runners at once, and gets them back when enabled', async () => {
    const { who, person } = await someone();
    const key = await person.createKey();
    expect((await say(key, 'hello')).status).toBe(200);
    await person.request('/');
    const live = await fetch(`${router.url}/live`, { headers: { cookie: person.cookie } });
    const stream = await say(key, 'for ever', true);
    const ended = Promise.allSettled([live.text(), stream.text()]);
    expect((await admin.request(`/admin/users/${person.id}/disable`, form())).status).toBe(303);
    await ended;
    expect((await person.request('/auth/me')).status).toBe(401);
    expect((await say(key, 'hello')).status).toBe(401);
    expect(router.context.runners.running().filter(({ agent }) => agent.userId === person.id)).toEqual([]);
    expect(await login(who.email, who.password)).toBe(403);
    expect(await login(who.email, 'not-the-one')).toBe(401);
    await admin.request(`/admin/users/${person.id}/enable`, form());
    expect((await say(key, 'hello')).status).toBe(200);
    expect(await login(who.email, who.password)).toBe(200);
  });
});

describe('a deleted user', () => {
  test('leaves no runner, home, stream or row, and nobody gets the slug', async () => {
    const { who, person } = await someone();
    const key = await person.createKey();
    await say(key, 'hello');
    const [agent] = await router.context.agents.list(person.id);
    const home = join(router.context.config.homesRoot, agent?.id ?? '');
    const running = () => router.context.runners.running().filter((one) => one.agent.userId === person.id);
    expect([existsSync(home), running().length]).toEqual([true, 1]);
    await person.request('/');
    const live = await fetch(`${router.url}/live`, { headers: { cookie: person.cookie } });
    const wrong = await admin.request(`/admin/users/${person.id}/delete`, form({ typed: 'Somebody else' }));
    expect(await textsOf(await wrong.text(), '#typed-error')).toEqual(['That is not the name of this user']);
    const gone = await admin.request(`/admin/users/${person.id}/delete`, form({ typed: who.name }));
    expect([gone.status, gone.headers.get('location')]).toEqual([303, '/admin/users?said=deleted']);
    await live.text();
    expect([existsSync(home), running().length]).toEqual([false, 0]);
    expect((await say(key, 'hello')).status).toBe(401);
    expect(await login(who.email, who.password)).toBe(401);
    const { stores } = router.context;
    expect(await stores.users.find(person.id)).toBeUndefined();
    expect(await stores.agents.list(person.id)).toEqual([]);
    expect(await stores.keys.list(person.id)).toEqual([]);
    const namesake = await router.context.users.create({ email: who.email, name: who.name, password: PASSWORD });
    expect([namesake.id === person.id, namesake.slug]).toEqual([false, `user-${count}-2`]);
  });

  test('is disabled where a runner cannot be stopped, and is deleted when its platform answers', async () => {
    const { person } = await someone();
    await say(await person.createKey(), 'hello');
    router.platform.available = false;
    const refused = await json(admin, 'DELETE', `/api/admin/users/${person.id}`);
    expect([refused.status, refused.body.code]).toEqual([503, 'driver_unavailable']);
    expect((await router.context.users.get(person.id)).disabledAtMs).not.toBeNull();
    // Who asks again is not told that it is done.
    expect((await json(admin, 'DELETE', `/api/admin/users/${person.id}`)).status).toBe(503);
    router.platform.available = true;
    await until(
      async () => (await json(admin, 'DELETE', `/api/admin/users/${person.id}`)).status === 204,
      'the user is deleted',
    );
    expect((await json(admin, 'GET', `/api/admin/users/${person.id}`)).status).toBe(404);
  });
});

describe('nobody but the administrator', () => {
  const doors = (id: string): Door[] => [
    ['GET', '/admin/users'],
    ['POST', '/admin/users', { email: 'x@example.org', name: '', password: PASSWORD }],
    ['GET', `/admin/users/${id}`],
    ['POST', `/admin/users/${id}/name`, { name: 'x' }],
    ['POST', `/admin/users/${id}/password`, { password: PASSWORD }],
    ['POST', `/admin/users/${id}/reset-link`, {}],
    ['POST', `/admin/users/${id}/disable`, {}],
    ['POST', `/admin/users/${id}/enable`, {}],
    ['POST', `/admin/users/${id}/delete`, { typed: 'x' }],
    ['GET', '/api/admin/users'],
    ['POST', '/api/admin/users', { email: 'x@example.org', password: PASSWORD }],
    ['GET', `/api/admin/users/${id}`],
    ['PATCH', `/api/admin/users/${id}`, { name: 'x' }],
    ['DELETE', `/api/admin/users/${id}`],
    ['POST', `/api/admin/users/${id}/reset-link`, {}],
  ];

  test('opens the users: not signed out, not as another user, not with a key, not from another site', async () => {
    const { person: victim } = await someone();
    const { person: mallory } = await someone();
    await expectAdminsOnly(router, { admin, other: mallory, doors: doors(victim.id) });
    expect((await victim.request('/auth/me')).status).toBe(200);
  });
});
