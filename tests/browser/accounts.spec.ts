/** Accounts in a browser: people are invited, reset, disabled and deleted, and look after their own account. */
import type { Browser, Page } from '@playwright/test';
import type { RouterProcess } from '../support/process';
import { answer, ended, expect, expectAccessible, expectNoOverflow, send, signIn, test } from './fixtures';

const PASSWORD = 'green-bicycle-9';

/** The link that a page shows this one time. */
async function shownLink(page: Page): Promise<string> {
  return (await page.getByRole('status').locator('code').textContent()) ?? '';
}

/** A browser of somebody else. */
async function elsewhere(browser: Browser, router: RouterProcess): Promise<Page> {
  const context = await browser.newContext({ baseURL: router.url });
  return context.newPage();
}

async function invite(page: Page): Promise<string> {
  await page.goto('/admin/invitations');
  await page.getByRole('button', { name: 'Make an invitation' }).click();
  return shownLink(page);
}

async function join(page: Page, link: string, name: string): Promise<void> {
  await page.goto(link);
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('E-mail').fill(`${name.toLowerCase()}@example.org`);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Create account' }).click();
  await expect(page.getByRole('heading', { name: 'Demo', level: 1 })).toBeVisible();
}

for (const javaScriptEnabled of [true, false]) {
  test(`an invited colleague gets from the link to a first answer, ${javaScriptEnabled ? 'with' : 'without'} JavaScript`, async ({
    page,
    browser,
    router,
  }) => {
    await signIn(page, router);
    const link = await invite(page);
    const context = await browser.newContext({ baseURL: router.url, javaScriptEnabled });
    const colleague = await context.newPage();
    await join(colleague, link, 'Grace');
    await send(colleague, 'echo hello colleague');
    await ended(colleague, 'done');
    await expect(answer(colleague)).toContainText('hello colleague');
    await page.goto('/admin/users');
    await page.getByRole('link', { name: 'Grace' }).click();
    await page.getByRole('button', { name: 'Disable' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Disable' }).click();
    await expect(page.getByRole('status')).toContainText('Disabled.');
    // The page's script does that by itself.
    if (!javaScriptEnabled) await colleague.reload();
    await expect(colleague).toHaveURL(/\/sign-in/);
    await page.getByRole('button', { name: 'Enable again' }).click();
    await page.getByLabel('Type “Grace” to delete this user').fill('Grace');
    await page.getByRole('button', { name: 'Delete user' }).click();
    await expect(page.getByRole('status')).toContainText('The user is deleted, and can be restored.');
    await page.getByRole('button', { name: 'Restore' }).click();
    await expect(page.getByRole('status')).toContainText('Restored.');
    await page.getByLabel('are gone for good at once').check();
    await page.getByLabel('Type “Grace” to delete this user').fill('Grace');
    await page.getByRole('button', { name: 'Delete user' }).click();
    await expect(page.getByRole('status')).toContainText('The user is deleted.');
    await expect(page.getByRole('link', { name: 'Grace' })).toBeHidden();
    await context.close();
  });
}

test('a user without a password chooses one by the link, and looks after the account', async ({
  page,
  browser,
  router,
}) => {
  await signIn(page, router);
  await page.goto('/admin/users');
  await page.getByLabel('E-mail').fill('ada@example.org');
  await page.getByRole('button', { name: 'Add user' }).click();
  const link = await shownLink(page);
  const ada = await elsewhere(browser, router);
  await ada.goto(link);
  await ada.getByLabel('New password').fill(PASSWORD);
  await ada.getByRole('button', { name: 'Set password and sign in' }).click();
  await ada.goto('/settings');
  await ada.getByLabel('Name', { exact: true }).fill('Ada');
  await ada.getByRole('button', { name: 'Save name' }).click();
  const card = ada.locator('#you');
  await expect(card.locator('#you-said')).toContainText('That is your name now');
  await expect(card.locator('#you-said')).toBeInViewport();
  await card.getByText('Change password').first().click();
  await card.getByLabel('Old password').fill('wrong-bicycle-0');
  await card.getByLabel('New password').fill('another-bicycle-7');
  await card.getByRole('button', { name: 'Change password' }).click();
  await expect(card.getByLabel('Old password')).toHaveAttribute('aria-invalid', 'true');
  await card.getByLabel('Old password').fill(PASSWORD);
  await card.getByLabel('New password').fill('another-bicycle-7');
  await card.getByRole('button', { name: 'Change password' }).click();
  await expect(card.locator('#you-said')).toContainText('Your password is changed');
  await card.getByText('Delete your account').click();
  await card.getByLabel('Password', { exact: true }).fill('another-bicycle-7');
  await card.getByRole('button', { name: 'Delete account' }).click();
  await expect(ada).toHaveURL(/\/sign-in/);
  await ada.context().close();
});

for (const size of [
  { name: 'desktop', width: 1280, height: 800 },
  { name: 'phone', width: 390, height: 844 },
]) {
  test.describe(size.name, () => {
    test.use({
      viewport: { width: size.width, height: size.height },
      contextOptions: { reducedMotion: 'reduce' },
    });

    test('no page of accounts has an accessibility finding or overflows, in light and dark', async ({
      page,
      browser,
      router,
    }) => {
      test.slow();
      const check = async (one: Page, name: string) => {
        await expectAccessible(one, name);
        await expectNoOverflow(one, name);
        const folder = process.env.SCREENSHOTS;
        for (const colorScheme of folder === undefined ? [] : (['light', 'dark'] as const)) {
          await one.emulateMedia({ colorScheme });
          await one.screenshot({ path: `${folder}/${name} ${size.name} ${colorScheme}.png`, fullPage: true });
        }
      };
      await signIn(page, router);
      await page.goto('/admin/invitations');
      await check(page, 'no invitations');
      await page.getByLabel('For this e-mail address').fill('a.colleague.with.a.long.name@analytical-engines.example');
      await page.getByRole('button', { name: 'Make an invitation' }).click();
      await check(page, 'invitations');
      const link = await shownLink(page);
      const stranger = await elsewhere(browser, router);
      await stranger.setViewportSize(size);
      await stranger.goto(link);
      await check(stranger, 'invited');
      await stranger.goto('/sign-up/not-a-link');
      await check(stranger, 'invitation that is not valid');
      await page.goto('/admin/users');
      await page.getByLabel('E-mail').fill('ada.of.a.very.long.address@analytical-engines.example');
      await page.getByRole('button', { name: 'Add user' }).click();
      await check(page, 'user with a link');
      await stranger.goto(await shownLink(page));
      await check(stranger, 'reset');
      await page.getByLabel('Type “ada').fill('nobody');
      await page.getByRole('button', { name: 'Delete user' }).click();
      await check(page, 'user that is not deleted');
      await page.goto('/admin/users');
      await check(page, 'users');
      await page.goto('/settings');
      for (const fold of ['Change password', 'Where you are signed in']) await page.getByText(fold).first().click();
      await check(page, 'you');
      await stranger.context().close();
    });
  });
}
