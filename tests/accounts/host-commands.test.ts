/** `bun run admin` on the host, as a process of its own. */
import { expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../../router/config/root';
import { runCommand } from '../support/command';
import { ADMIN, PEOPLE, SETTINGS, startRouter } from '../support/router';

/** Ends only a test that has failed: processes start slowly on a busy machine. */
setDefaultTimeout(60_000);

const { alice, bob } = PEOPLE;

/** What the command says, and whether it succeeded. */
const admin = (dataRoot: string, ...command: string[]) => adminWith({}, dataRoot, ...command);

async function adminWith(more: Record<string, string>, dataRoot: string, ...command: string[]) {
  const env = {
    ...{ ...SETTINGS, STACK_DATA_ROOT: dataRoot, BACKENDS_CONFIG_PATH: join(dataRoot, 'backends.json'), PATH: '' },
    ...more,
  };
  const script = join(repositoryRoot, 'scripts/admin.ts');
  const { code, out, errors } = await runCommand([process.execPath, script, ...command], { env });
  return { said: out + errors, isDone: code === 0 };
}

test('where there is no data, it says so and begins none', async () => {
  const dataRoot = join(tmpdir(), `agent-stack-none-${crypto.randomUUID()}`);
  for (const command of [['reset-password'], ['hand-over', alice.email]]) {
    const { said, isDone } = await admin(dataRoot, ...command);
    expect([said, isDone]).toEqual([expect.stringContaining('There is no database'), false]);
  }
  expect(existsSync(dataRoot)).toBe(false);
});

test('a password that would let nobody in is not made, and of a disabled account it is said', async () => {
  const router = await startRouter();
  const { id } = await router.person(alice);
  await router.context.removal.disable(id);
  await router.stop();
  const oidc = { OIDC_ISSUER: 'https://login.example.org', OIDC_CLIENT_ID: 'agent-stack', ALLOW_SIGNUP: 'false' };
  const only = { ...oidc, PASSWORD_SIGN_IN: 'false' };
  expect(await adminWith(only, router.dataRoot, 'reset-password', alice.email)).toEqual({
    said: expect.stringContaining('PASSWORD_SIGN_IN is false.\nNothing was changed'),
    isDone: false,
  });
  expect(await adminWith(only, router.dataRoot, 'reset-password')).toMatchObject({ isDone: true });
  expect(await admin(router.dataRoot, 'reset-password', alice.email)).toEqual({
    said: expect.stringContaining('The account is disabled'),
    isDone: true,
  });
});

test('resets the password of the administrator, or of anybody, and ends their sessions', async () => {
  const first = await startRouter();
  const { cookie } = await first.person(ADMIN);
  await first.person(alice);
  expect(await admin(first.dataRoot, 'reset-password')).toMatchObject({
    said: expect.stringContaining('Another router uses'),
    isDone: false,
  });
  await first.stop();
  const [own, hers] = [
    await admin(first.dataRoot, 'reset-password'),
    await admin(first.dataRoot, 'reset-password', ' Alice@Example.org'),
  ];
  const passwordIn = (said: string) => /is now: (\S+)/.exec(said)?.[1] ?? '';
  await using second = await startRouter({ dataRoot: first.dataRoot });
  expect((await second.request('/auth/me', { headers: { cookie } })).status).toBe(401);
  const login = async (email: string, password: string) =>
    (await second.request('/auth/login', { method: 'POST', body: { email, password } })).status;
  expect(await login(ADMIN.email, ADMIN.password)).toBe(401);
  expect(await login(ADMIN.email, passwordIn(own.said))).toBe(200);
  expect(await login(alice.email, passwordIn(hers.said))).toBe(200);
});

test('hands the role over, so that there is one administrator all the time, and nothing stays shared', async () => {
  const first = await startRouter();
  await first.person(alice);
  const { id } = await first.person(bob);
  await first.context.removal.disable(id);
  await first.context.stores.settings.setShared(['LLM_MODEL'], true, 1);
  await first.stop();
  for (const [email, words] of [
    ['nobody@example.org', 'There is no user'],
    [bob.email, 'is disabled'],
    [ADMIN.email, 'is the administrator already'],
  ] as const) {
    const refused = await admin(first.dataRoot, 'hand-over', email);
    expect([email, refused.isDone, refused.said.includes(words)]).toEqual([email, false, true]);
  }
  expect((await admin(first.dataRoot, 'hand-over')).said).toStartWith('Usage');
  const done = await admin(first.dataRoot, 'hand-over', alice.email);
  expect(done).toMatchObject({
    said: expect.stringContaining(`${alice.email} is the administrator now`),
    isDone: true,
  });
  await using second = await startRouter({ dataRoot: first.dataRoot });
  const { stores } = second.context;
  expect(await stores.users.findAdmin()).toMatchObject({ email: alice.email });
  expect(await stores.users.findByEmail(ADMIN.email)).toMatchObject({ role: 'user' });
  expect((await stores.settings.sharedVariables()).size).toBe(0);
  expect((await (await second.person(alice)).request('/admin/users')).status).toBe(200);
  expect((await (await second.person(ADMIN)).request('/admin/users')).status).toBe(403);
});

test('a bootstrap address that belongs to a regular user is refused in one sentence', async () => {
  const first = await startRouter({ env: { BOOTSTRAP_ADMIN_EMAIL: '', BOOTSTRAP_ADMIN_PASSWORD: '' } });
  await first.person(alice);
  await first.stop();
  const env = { BOOTSTRAP_ADMIN_EMAIL: alice.email };
  await expect(startRouter({ env, dataRoot: first.dataRoot })).rejects.toThrow(
    `BOOTSTRAP_ADMIN_EMAIL ${alice.email} already belongs to a regular user`,
  );
});
