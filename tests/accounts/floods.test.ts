/** Requests of strangers to sign-in and sign-up: very long fields, and very many requests at once. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { normaliseEmail } from '../../router/accounts/fields';
import { networkOf } from '../../router/lib/network';
import { ADMIN, PEOPLE, startRouter, type TestRouter } from '../support/router';

/** Only ends a failed test: hashing passwords is slow on a busy machine. */
setDefaultTimeout(120_000);

/** One character that becomes eighteen when it is normalised. */
const LIGATURE = '\uFDFA';
const { alice, bob } = PEOPLE;

describe('a long field', () => {
  let router: TestRouter;
  beforeAll(async () => {
    router = await startRouter();
  });
  afterAll(() => router[Symbol.asyncDispose]());

  const LONG = [
    ['characters that grow', LIGATURE.repeat(300_000)],
    ['letters', 'a'.repeat(900_000)],
    ['an address behind blanks', `${' '.repeat(5_000)}${alice.email}`],
    ['marks', `e${'\u0301'.repeat(300_000)}@example.org`],
  ] as const;
  const FIELDS = ['email', 'password', 'name', 'invite_code', 'next'];
  const DOORS = ['/auth/login', '/auth/signup', '/sign-in', '/sign-up'];

  test.each(DOORS.flatMap((door) => FIELDS.map((field) => [field, door] as const)))(
    'in %s is refused at %s in few words, and nothing of it is repeated',
    async (field, door) => {
      const isForm = door.startsWith('/sign');
      for (const [, value] of LONG) {
        const fields = { email: 'new@example.org', password: 'a-password-1', [field]: value };
        const body = isForm ? JSON.stringify(fields) : fields;
        const headers = { ...(isForm && { accept: 'text/html', 'content-type': 'application/json' }) };
        const response = await router.request(door, { method: 'POST', body, headers });
        // A member that the route does not know may have any length.
        if (response.status < 400 && response.status !== 303) continue;
        expect([response.status >= 400 || response.status === 303, (await response.text()).length < 20_000]).toEqual([
          ...[true, true],
        ]);
      }
    },
  );

  test('becomes no address, before it is made longer', () => {
    expect(normaliseEmail(LIGATURE.repeat(1_001))).toBe('');
    expect(normaliseEmail(LIGATURE.repeat(200))).toBe('');
    expect(normaliseEmail(`${' '.repeat(990)}x@y.zz`)).toBe('x@y.zz');
    expect(normaliseEmail(`${'a'.repeat(243)}@example.org`)).toBe('');
  });
});

describe('sign-up that is closed', () => {
  test.each(['/auth/signup', '/sign-up'])('is refused at %s whatever is sent, and counts nothing', async (door) => {
    await using router = await startRouter({ env: { ALLOW_SIGNUP: '' } });
    for (const body of [{}, { email: 1 }, { ...bob, email: LIGATURE.repeat(50_000) }, ...Array(15).fill(bob)]) {
      expect((await router.request(door, { method: 'POST', body })).status).toBe(403);
    }
  });
});

describe('many sign-ins at once', () => {
  const loginAt = (router: TestRouter) => (who: { email: string; password: string }) =>
    router.request('/auth/login', { method: 'POST', body: { email: who.email, password: who.password } });

  test('for one account wait for each other up to a number, and others do not wait for them', async () => {
    await using router = await startRouter();
    for (const who of [alice, bob]) await router.person(who);
    const login = loginAt(router);
    const order: string[] = [];
    const note = (name: string) => async (answer: Promise<Response>) => {
      const { status } = await answer;
      order.push(name);
      return status;
    };
    const flood = Array.from({ length: 200 }, () => note('flood')(login(alice)));
    const others = [note('other')(login(bob)), note('other')(login(ADMIN))];
    expect(await Promise.all(others)).toEqual([200, 200]);
    const statuses = await Promise.all(flood);
    const count = (status: number) => statuses.filter((one) => one === status).length;
    expect(count(200) + count(429)).toBe(200);
    expect(count(200)).toBeWithin(10, 60);
    // Answered before most requests that waited for their turn.
    const answered = order.slice(count(429));
    expect(answered.lastIndexOf('other')).toBeLessThan(answered.length / 2);
    // Correct sign-ins are not counted as failures.
    expect((await login(alice)).status).toBe(200);
  });

  test('with a wrong password are all counted, for the account and for the network', async () => {
    await using router = await startRouter();
    const login = loginAt(router);
    const wrong = await Promise.all(
      Array.from({ length: 40 }, (_, n) => login({ email: `nobody${n}@example.org`, password: 'not-the-one' })),
    );
    const statuses = wrong.map(({ status }) => status);
    expect([401, 429].map((status) => statuses.filter((one) => one === status).length)).toEqual([30, 10]);
    expect((await login(ADMIN)).status).toBe(429);
  });
});

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:0002::1', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['local', 'local'],
])('an address is limited by its network: %s counts as %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});
