/** Signing in, signing up and signing out. */
import { expect, send, signIn, test } from './fixtures';

test('somebody who is not signed in is sent to sign in and back to where they were going', async ({ page, router }) => {
  await page.goto('/settings');
  await expect(page).toHaveURL(/\/sign-in\?next=/);
  await page.getByLabel('E-mail').fill(router.admin.email);
  await page.getByLabel('Password').fill(router.admin.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page).toHaveURL(`${router.url}/settings`);
});

test('law 20: signing out ends the session on every open page', async ({ page, context, router }) => {
  await signIn(page, router);
  const other = await context.newPage();
  await other.goto('/');
  await page.getByRole('button', { name: /Account/ }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL(/\/sign-in$/);
  await expect(other).toHaveURL(/\/sign-in/);
  await page.goto('/settings');
  await expect(page).toHaveURL(/\/sign-in\?next=/);
});

test('law 20: a page that was not left after all leads to the sign-in when its session ends', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  const { sessions } = await (await page.request.get('/api/me/sessions')).json();
  const { id } = sessions.find(({ current }: { current: boolean }) => current);
  // As a program that takes over a link, or a reader who stops the browser.
  await page.route('**/agents', (route) => route.fulfill({ status: 204 }));
  const nothing = page.waitForResponse('**/agents');
  await page.getByRole('link', { name: 'Agents and their settings' }).click();
  await nothing;
  expect((await (await router.signIn()).request(`/api/me/sessions/${id}`, { method: 'DELETE' })).ok).toBe(true);
  await expect(page).toHaveURL(/\/sign-in/);
});

test('a stranger makes an account, has agents of their own, and sees nothing of others', async ({
  page,
  browser,
  router,
}) => {
  await signIn(page, router);
  await send(page, 'echo of the administrator');
  await expect(page).toHaveURL(/\/conversations\//);

  const stranger = await browser.newContext({ baseURL: router.url });
  const theirs = await stranger.newPage();
  await theirs.goto('/');
  await theirs.getByRole('link', { name: 'Create an account' }).click();
  await theirs.getByLabel('Name').fill('Ada');
  await theirs.getByLabel('E-mail').fill('ada@example.org');
  await theirs.getByLabel('Password').fill('short');
  await theirs.getByRole('button', { name: 'Create account' }).click();
  await expect(theirs.getByLabel('Password')).toHaveAttribute('aria-invalid', 'true');
  await expect(theirs.getByLabel('E-mail')).toHaveValue('ada@example.org');
  await theirs.getByLabel('Password').fill('long enough for anyone');
  await theirs.getByRole('button', { name: 'Create account' }).click();
  await expect(theirs.getByRole('heading', { name: 'Demo', level: 1 })).toBeVisible();
  await expect(theirs.getByRole('navigation')).not.toContainText('of the administrator');
  await theirs.goto(page.url());
  await expect(theirs.getByRole('main')).toContainText('404');
  await stranger.close();
});

test.describe('where sign-up is closed', () => {
  test.use({ routerEnv: { ALLOW_SIGNUP: 'false' } });

  test('nothing leads to it', async ({ page }) => {
    await page.goto('/');
    await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible();
    await expect(page.getByRole('link')).toHaveCount(0);
  });
});
