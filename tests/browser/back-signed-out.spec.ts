/** Going back to a page that the browser kept, after its reader has signed out or has been. */
import type { Page } from '@playwright/test';
import type { Browser } from '../support/process';
import { converse, test } from './back-fixtures';
import { expect, REFUSED_STREAM } from './fixtures';

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

  test('whose stream was answered just before the session ended', async ({ page, router, go }) => {
    await converse(page, router, ['echo secret']);
    await page.evaluate(() => {
      const told = () =>
        new Response('event: signed-out\ndata: \n\n', { headers: { 'content-type': 'text/event-stream' } });
      Object.assign(window, { fetch: async () => told() });
    });
    await page.goto('/settings');
    await go(-1);
    await expect(page.locator('html')).not.toHaveAttribute('data-kept');
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('echo secret');
    expect(await page.evaluate(() => sessionStorage.getItem('seen'))).toBeNull();
  });

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
    test(`after ${what}`, async ({ page, router, go, allowComplaint }) => {
      allowComplaint(REFUSED_STREAM);
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
