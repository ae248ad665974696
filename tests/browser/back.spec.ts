/** Going back: Chromium keeps the page of a conversation, which comes back as current as a loaded one, and to its reader only. */
import type { CDPSession, Page } from '@playwright/test';
import type { Browser, RouterProcess } from '../support/process';
import { test as base, ended, expect, LOST_CONNECTION, numberedWords, REFUSED_STREAM, send, signIn } from './fixtures';
import config from './playwright.config';

/** Goes through the history, and says what became of the page: `kept`, or `loaded` and why. */
type Go = (delta: number) => Promise<string>;

const test = base.extend<{ go: Go }>({
  async go({ page, context }, use) {
    const cdp: CDPSession = await context.newCDPSession(page);
    await cdp.send('Page.enable');
    let reasons: string[] = [];
    cdp.on('Page.backForwardCacheNotUsed', ({ notRestoredExplanations }) => {
      reasons = notRestoredExplanations.map(({ reason }) => reason);
    });
    await page.addInitScript(() => {
      addEventListener('pageshow', (event) => {
        const { persisted } = event as PageTransitionEvent;
        Object.assign(window, { shown: persisted ? 'kept' : 'loaded' });
        // What a kept page shows, in each frame.
        const look = () => {
          const main = document.querySelector('.app main');
          if (main?.checkVisibility({ visibilityProperty: true })) sessionStorage.setItem('seen', location.pathname);
          if (persisted) requestAnimationFrame(look);
        };
        if (persisted) look();
      });
    });
    await use(async (delta) => {
      reasons = [];
      const { entries, currentIndex } = await cdp.send('Page.getNavigationHistory');
      const entry = entries[currentIndex + delta];
      if (!entry) throw new Error('The history has no such page.');
      await page.evaluate(() => Object.assign(window, { shown: 'left' })).catch(() => {});
      await cdp.send('Page.navigateToHistoryEntry', { entryId: entry.id });
      await page.waitForFunction(() => /kept|loaded/.test((window as unknown as { shown: string }).shown));
      const shown = await page.evaluate(() => (window as unknown as { shown: string }).shown);
      return reasons.length > 0 ? `${shown}: ${[...new Set(reasons)].sort().join(', ')}` : shown;
    });
  },
});

const { launchOptions } = config.use ?? {};
test.use({ launchOptions: { ...launchOptions, ignoreDefaultArgs: ['--disable-back-forward-cache'] } });

const composer = (page: Page) => page.getByRole('textbox', { name: 'Message Demo' });
const link = (page: Page, name: string | RegExp) => page.locator('#conversations').getByRole('link', { name });

/** Begins conversations. @returns the address of the last one, which is open. */
async function converse(
  page: Page,
  router: RouterProcess,
  texts: readonly string[],
  email: string = router.admin.email,
): Promise<string> {
  await signIn(page, router, { email });
  for (const text of texts) {
    await page.getByRole('link', { name: 'New conversation', exact: true }).click();
    await send(page, text);
    await ended(page, 'done');
  }
  return page.url();
}

const title = (page: Page, text: string) => expect(page.getByRole('heading', { level: 1 })).toHaveText(text);

test('two conversations come back as they were left: with the draft, the focus and the place', async ({
  page,
  router,
  go,
}) => {
  await converse(page, router, ['echo one', 'code 60']);
  await page.mouse.move(600, 300);
  await page.mouse.wheel(0, -400);
  await expect(page.getByRole('button', { name: 'Jump to latest' })).toBeVisible();
  const y = await page.evaluate(() => scrollY);
  await composer(page).fill('a draft');
  await link(page, 'echo one').click();
  await title(page, 'echo one');
  expect(await go(-1)).toBe('kept');
  await expect(composer(page)).toBeFocused();
  await expect(composer(page)).toHaveValue('a draft');
  expect(await page.evaluate(() => scrollY)).toBe(y);
  expect(await go(1)).toBe('kept');
  await title(page, 'echo one');
  await link(page, 'code 60').press('Enter');
  await title(page, 'code 60');
  expect(await go(-1)).toBe('kept');
  await expect(link(page, 'code 60')).toBeFocused();
  await send(page, 'echo goes on');
  await ended(page, 'done');
});

test('a conversation comes back with what was missed', async ({ page, router, context, go }) => {
  const url = await converse(page, router, ['echo gone', 'echo marked', 'echo here']);
  const api = await router.signIn();
  await page.goto('/settings');
  const other = await context.newPage();
  await other.goto(url);
  await send(other, 'echo meanwhile');
  await ended(other, 'done');
  const { conversations } = await (await api.request('/api/conversations')).json();
  const idOf = (name: string) => conversations.find((one: { title: string }) => one.title === name).id;
  await api.request(`/api/conversations/${idOf('echo here')}`, { method: 'PATCH', body: { title: 'New name' } });
  await api.request(`/api/conversations/${idOf('echo gone')}`, { method: 'DELETE' });
  await send(other, `slow ${numberedWords(400)}`);
  await api.request(`/api/conversations/${idOf('echo here')}`, { method: 'PATCH', body: { archived: true } });
  expect(await go(-1)).toBe('kept');
  await title(page, 'New name');
  await expect(page).toHaveTitle(/New name · agent-stack$/);
  await expect(page.locator('article.answer')).toHaveCount(3);
  await expect(page.locator('article.answer').nth(1)).toContainText('meanwhile');
  await expect(page.getByText(/^This conversation is archived/)).toBeVisible();
  await expect(link(page, 'echo gone')).toHaveCount(0);
  await page.getByRole('button', { name: 'Stop answer' }).click();
  await ended(page, 'stopped');
  await expect(page.getByRole('button', { name: 'Send message' })).toBeVisible();
});

test('a conversation from before a form was sent is loaded anew, and an error of its composer is gone', async ({
  page,
  router,
  context,
  expectComplaint,
  go,
}) => {
  expectComplaint(LOST_CONNECTION);
  const url = await converse(page, router, ['echo one']);
  await composer(page).fill('echo lost');
  await context.setOffline(true);
  await page.getByRole('button', { name: 'Send message' }).click();
  await expect(page.locator('#composer-error')).not.toBeEmpty();
  await context.setOffline(false);
  await page.goto('/settings');
  await go(-1);
  await expect(page.locator('#composer-error')).toBeEmpty();
  await expect(composer(page)).toHaveValue('echo lost');

  await page.goto('/settings');
  await page.locator('#your-language').selectOption('zh');
  await page.getByRole('button', { name: 'Save language' }).click();
  await expect(page.locator('html')).toHaveAttribute('lang', /zh/);
  await go(-2);
  await expect(page).toHaveURL(url);
  await expect(page.locator('html')).toHaveAttribute('lang', /zh/);
});

test('a key that is shown once is not shown by going back', async ({ page, router, go }) => {
  await signIn(page, router);
  await page.goto('/settings');
  await page.getByLabel('Name of the key').fill('CI');
  await page.getByRole('button', { name: 'Create key' }).click();
  await expect(page.locator('#created-key')).toBeVisible();
  await page.goto('/usage');
  await go(-1);
  await expect(page).toHaveURL(/settings/);
  await expect(page.locator('#created-key')).toHaveCount(0);
});

test.describe('shows nothing to who is not signed in any more', () => {
  const COOKIE = 'CacheControlNoStoreHTTPOnlyCookieModified';
  const nothingSeen = async (page: Page) => {
    await expect(page).toHaveURL(/\/sign-in/);
    expect(await page.evaluate(() => sessionStorage.getItem('seen'))).toBeNull();
  };

  for (const where of ['here', 'in another tab']) {
    test(`after signing out ${where}`, async ({ page, router, context, go }) => {
      await converse(page, router, ['echo secret']);
      const other = where === 'here' ? page : await context.newPage();
      await page.goto(where === 'here' ? '/settings' : 'about:blank');
      await other.goto('/settings');
      await other.getByRole('button', { name: /Account/ }).click();
      await other.getByRole('button', { name: 'Sign out' }).click();
      await expect(other).toHaveURL(/\/sign-in/);
      expect(await go(where === 'here' ? -2 : -1)).toContain(COOKIE);
      await nothingSeen(page);
    });
  }

  const EMAIL = 'ada@example.org';
  for (const [what, end] of Object.entries({
    'the session was revoked elsewhere': async (ada, _admin) => {
      const { sessions } = await (await ada.request('/api/me/sessions')).json();
      for (const { id, current } of sessions)
        if (!current) expect((await ada.request(`/api/me/sessions/${id}`, { method: 'DELETE' })).ok).toBe(true);
    },
    'the password was changed elsewhere': async (ada, _admin, password) => {
      const body = { old_password: password, new_password: 'another-secret-13' };
      expect((await ada.request('/api/me/password', { method: 'PUT', body })).status).toBe(200);
    },
    'the user was deleted': async (_ada, admin) => {
      const { users } = await (await admin.request('/api/admin/users')).json();
      const { id } = users.find((one: { email: string }) => one.email === EMAIL);
      expect((await admin.request(`/api/admin/users/${id}?purge=true`, { method: 'DELETE' })).status).toBe(204);
    },
  } satisfies Record<string, (ada: Browser, admin: Browser, password: string) => Promise<void>>)) {
    test(`after ${what}`, async ({ page, router, go, expectComplaint }) => {
      expectComplaint(REFUSED_STREAM);
      const { password } = router.admin;
      const ada = await router.signIn({ email: EMAIL, name: 'Ada', password });
      await converse(page, router, ['echo secret'], EMAIL);
      await page.goto('about:blank');
      await end(ada, await router.signIn(), password);
      await go(-1);
      await nothingSeen(page);
    });
  }
});
