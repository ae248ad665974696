/** Going back to a page that the browser kept while the network or the router is away. */
import type { Page } from '@playwright/test';
import type { RouterProcess } from '../support/process';
import { composer, converse, link, test } from './back-fixtures';
import { ended, expect, expectAccessible, LOST_CONNECTION, REFUSED_STREAM, send } from './fixtures';

test.describe('where nothing answers, says so and comes back as it was left, files and all', () => {
  const AWAY = /^The server does not answer\./;
  const isHidden = async (page: Page) => {
    await expect(page.getByText(AWAY)).toBeVisible();
    await expect(composer(page)).toBeHidden();
    await expect(page.locator('.app main')).toBeHidden();
  };
  const leave = async (page: Page, router: RouterProcess) => {
    await converse(page, router, ['echo other', 'echo secret']);
    await composer(page).fill('a draft');
    const file = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('notes') };
    await page.locator('#composer-files').setInputFiles(file);
  };
  const isBack = async (page: Page) => {
    await expect(composer(page)).toHaveValue('a draft');
    await expect(composer(page)).toBeFocused();
    await expect(page.locator('#composer-chosen')).toContainText('notes.txt');
    await expect(page.getByText(AWAY)).toBeHidden();
    await send(page, 'echo goes on');
    await ended(page, 'done');
  };

  test('without a network', async ({ page, router, context, go, allowComplaint }) => {
    allowComplaint(LOST_CONNECTION);
    await leave(page, router);
    await page.goto('/settings');
    await context.setOffline(true);
    expect(await go(-1)).toBe('kept');
    await isHidden(page);
    // It is a sentence in place of the page.
    const without = ['landmark-one-main', 'page-has-heading-one'];
    await expectAccessible(page, 'a kept page without an answer', { without });
    await context.setOffline(false);
    await page.getByRole('button', { name: 'Try again' }).click();
    await isBack(page);
  });

  test('from the error of the browser, to which a link led', async ({ page, router, context, go, allowComplaint }) => {
    allowComplaint(LOST_CONNECTION);
    await leave(page, router);
    await context.setOffline(true);
    await link(page, 'echo other').click();
    await page.waitForURL(/^chrome-error:/);
    expect(await go(-1)).toBe('kept');
    await isHidden(page);
    await context.setOffline(false);
    await isBack(page);
  });

  test('while the router is stopped', async ({ page, router, go, allowComplaint }) => {
    allowComplaint(LOST_CONNECTION);
    await leave(page, router);
    await page.goto('/settings');
    await router.kill('SIGKILL');
    expect(await go(-1)).toBe('kept');
    await isHidden(page);
    await router.start();
    await isBack(page);
  });

  test('while an answer takes long', async ({ page, router, go }) => {
    await leave(page, router);
    await page.evaluate(() => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const ask = fetch;
      Object.assign(window, { fetch: (url: string, init: RequestInit) => promise.then(() => ask(url, init)) });
      Object.assign(window, { answer: resolve });
    });
    await page.goto('/settings');
    expect(await go(-1)).toBe('kept');
    await isHidden(page);
    await page.evaluate(() => (window as unknown as { answer: () => void }).answer());
    await isBack(page);
  });

  test('and to nobody who is not signed in any more', async ({ page, router, context, go, allowComplaint }) => {
    allowComplaint(LOST_CONNECTION);
    allowComplaint(REFUSED_STREAM);
    await leave(page, router);
    await page.goto('about:blank');
    const { sessions } = await (await context.request.get(`${router.url}/api/me/sessions`)).json();
    const { id } = sessions.find(({ current }: { current: boolean }) => current);
    await context.setOffline(true);
    await go(-1);
    await isHidden(page);
    expect((await (await router.signIn()).request(`/api/me/sessions/${id}`, { method: 'DELETE' })).ok).toBe(true);
    await context.setOffline(false);
    await expect(page).toHaveURL(/\/sign-in/);
    expect(await page.evaluate(() => sessionStorage.getItem('seen'))).toBeNull();
  });
});
