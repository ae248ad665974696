/** Sign-in through a real OpenID Connect provider, on its own pages. */
import type { Browser, Page } from '@playwright/test';
import { freePort } from '../support/ports';
import { startProvider, type TestProvider } from '../support/provider';
import { answer, test as base, ended, expect, expectAccessible, expectNoOverflow, send } from './fixtures';

interface Fixtures {
  provider: TestProvider;
  publicPort: number;
  /** Settings beside those of the provider. */
  oidcEnv: Record<string, string>;
}

const test = base.extend<Fixtures>({
  oidcEnv: [{}, { option: true }],
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of fixtures from it
  publicPort: async ({}, use) => use(freePort()),
  provider: async ({ publicPort }, use) => {
    await using provider = await startProvider({
      callbacks: [`http://127.0.0.1:${publicPort}/sign-in/oidc/callback`],
    });
    provider.people.set('grace', { email: 'grace@example.org', email_verified: true, name: 'Grace Hopper' });
    await use(provider);
  },
  routerEnv: async ({ provider, publicPort, oidcEnv }, use) =>
    use({ ...provider.env, ALLOW_SIGNUP: 'false', FRONTEND_PORT: String(publicPort), ...oidcEnv }),
  page: async ({ page }, use) => {
    await withoutFonts(page);
    await use(page);
  },
  // The provider's pages are not ours.
  isForeign: async ({ provider }, use) =>
    use(
      (problem) =>
        problem.includes(provider.issuer) ||
        /fonts\.g|ERR_FAILED|Content Security Policy.*font|ViewTransition/.test(problem),
    ),
});

/** The provider's pages ask for fonts of another site. */
async function withoutFonts(page: Page): Promise<void> {
  await page.route(/fonts\.(googleapis|gstatic)\.com/, (route) => route.fulfill({ body: '', contentType: 'text/css' }));
}

async function atProvider(page: Page, login: string): Promise<void> {
  await page.getByPlaceholder('Enter any login').fill(login);
  await page.getByPlaceholder('and password').fill('anything');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
}

async function elsewhere(browser: Browser, baseURL: string, javaScriptEnabled = true): Promise<Page> {
  const context = await browser.newContext({ baseURL, javaScriptEnabled });
  const page = await context.newPage();
  await withoutFonts(page);
  return page;
}

test.describe('where the provider makes accounts', () => {
  test.use({ oidcEnv: { OIDC_CREATE_ACCOUNTS: 'true' } });

  for (const javaScriptEnabled of [true, false]) {
    test.describe(javaScriptEnabled ? 'with JavaScript' : 'without JavaScript', () => {
      test.use({ javaScriptEnabled });

      test('somebody signs in on its page, comes back to where they were going, and gets an answer', async ({
        page,
        router,
      }) => {
        await page.goto('/settings');
        await expect(page).toHaveURL(/\/sign-in\?next=/);
        await page.getByRole('link', { name: 'Sign in with Keycloak' }).click();
        await atProvider(page, 'grace');
        await expect(page).toHaveURL(`${router.url}/settings`);
        await expect(page.locator('#you')).toContainText('You can sign in with Keycloak.');
        await expect(page.locator('#you').getByLabel('Name', { exact: true })).toHaveValue('Grace Hopper');
        await page.goto('/');
        await send(page, 'echo hello from elsewhere');
        await ended(page, 'done');
        await expect(answer(page)).toContainText('hello from elsewhere');
        // The provider still knows this browser.
        await page.getByRole('button', { name: /Account/ }).click();
        await page.getByRole('button', { name: 'Sign out' }).click();
        await expect(page).toHaveURL(/\/sign-in$/);
        await page.getByRole('link', { name: 'Sign in with Keycloak' }).click();
        await expect(page).toHaveURL(/\/conversations\//);
      });
    });
  }

  test('somebody who cancels there is told so, and may try again', async ({ page, router }) => {
    await page.goto('/settings');
    await page.getByRole('link', { name: 'Sign in with Keycloak' }).click();
    await page.getByRole('link', { name: 'Cancel' }).click();
    await expect(page.getByRole('alert')).toContainText('You did not sign in at the sign-in service');
    await page.getByRole('link', { name: 'Try again' }).click();
    await atProvider(page, 'grace');
    await expect(page).toHaveURL(`${router.url}/settings`);
  });
});

test('an invited colleague joins through the provider, and a stranger does not', async ({ page, browser, router }) => {
  const admin = await router.signIn();
  const invited = await admin.request('/api/admin/invitations', { method: 'POST', body: {} });
  const { url } = (await invited.json()) as { url: string };
  await page.goto('/');
  await page.getByRole('link', { name: 'Sign in with Keycloak' }).click();
  await atProvider(page, 'grace');
  await expect(page.getByRole('alert')).toContainText('You have no account here yet.');
  const colleague = await elsewhere(browser, router.url);
  await colleague.goto(url);
  await colleague.getByRole('link', { name: 'Sign in with Keycloak' }).click();
  await atProvider(colleague, 'grace');
  await expect(colleague.getByRole('heading', { name: 'Demo', level: 1 })).toBeVisible();
  await colleague.context().close();
});

for (const size of [
  { name: 'desktop', width: 1280, height: 800 },
  { name: 'phone', width: 320, height: 740 },
]) {
  test.describe(size.name, () => {
    test.use({
      viewport: { width: size.width, height: size.height },
      contextOptions: { reducedMotion: 'reduce' },
      oidcEnv: { PASSWORD_SIGN_IN: 'false' },
    });

    test('no page of it has an accessibility finding or overflows, in light and dark', async ({ page, router }) => {
      test.slow();
      const admin = await router.signIn();
      const check = async (name: string) => {
        await expectAccessible(page, name);
        await expectNoOverflow(page, name);
        const folder = process.env.SCREENSHOTS;
        for (const colorScheme of folder === undefined ? [] : (['light', 'dark'] as const)) {
          await page.emulateMedia({ colorScheme });
          await page.screenshot({ path: `${folder}/${name} ${size.name} ${colorScheme}.png`, fullPage: true });
        }
      };
      await page.goto('/sign-in');
      await check('sign-in');
      await page.getByText('As the administrator').click();
      await check('sign-in of the administrator');
      const invited = await admin.request('/api/admin/invitations', { method: 'POST', body: {} });
      await page.goto(((await invited.json()) as { url: string }).url);
      await check('invited');
      await page.goto('/sign-in/oidc');
      await atProvider(page, 'grace');
      await expect(page.getByRole('alert')).toBeVisible();
      await check('refused');
      await page.goto('/sign-in');
      await page.getByText('As the administrator').click();
      await page.getByLabel('E-mail').fill(router.admin.email);
      await page.getByLabel('Password').fill(router.admin.password);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.goto('/settings');
      await page.getByRole('link', { name: 'Link your account with Keycloak' }).click();
      // The provider knows grace already, who has no account here: the administrator takes the link.
      await expect(page.locator('#you-said')).toHaveText('Linked. You can sign in with it from now on.');
      await check('you');
      await page.goto('/admin/users');
      await page.getByLabel('E-mail').fill('ada@example.org');
      await page.getByRole('button', { name: 'Add user' }).click();
      await check('a user without passwords');
    });
  });
}
