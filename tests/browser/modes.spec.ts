/** The pages in the ways in which people change them: by keyboard alone, in forced colours, enlarged, without motion. */
import type { Page } from '@playwright/test';
import { answer, ended, expect, expectAccessible, expectNoOverflow, send, signIn, test } from './fixtures';

/** Presses Tab until something has the focus. */
async function tabTo(page: Page, name: RegExp, stopsMax = 40): Promise<void> {
  for (let stops = 0; stops < stopsMax; stops += 1) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate(() => {
      const { activeElement: one } = document;
      const label = one?.id ? document.querySelector(`label[for="${one.id}"]`)?.textContent : undefined;
      return one?.getAttribute('aria-label') ?? label ?? one?.textContent ?? '';
    });
    if (name.test(focused.trim())) return;
  }
  throw new Error(`Tab never came to ${name}`);
}

test('a whole conversation is had by keyboard alone, from signing in to deleting a message of it', async ({
  page,
  router,
}) => {
  await page.goto('/');
  await tabTo(page, /^E-mail/);
  await page.keyboard.type(router.admin.email);
  await tabTo(page, /^Password/);
  await page.keyboard.type(router.admin.password);
  await page.keyboard.press('Enter');
  await expect(page).not.toHaveURL(/sign-in/);
  await tabTo(page, /Demo/);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('textbox', { name: 'Message Demo' })).toBeFocused();
  await page.keyboard.type('echo by keyboard');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/conversations\//);
  await ended(page, 'done');
  await expect(answer(page)).toContainText('by keyboard');
  await page.keyboard.press('Shift+Tab');
  await page.locator('article.user').getByRole('button', { name: 'Delete from here on' }).first().focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  const cancel = dialog.getByRole('button', { name: 'Cancel' });
  await expect(cancel).toBeFocused();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await expect(cancel).toBeFocused();
  await page.keyboard.press('Shift+Tab');
  await expect(dialog.getByRole('button', { name: 'Delete from here on' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
  await expect(page.locator('article.user').getByRole('button', { name: 'Delete from here on' }).first()).toBeFocused();
});

test.describe('enlarged to 200 % on a small screen, in forced colours, without motion', () => {
  test.use({
    viewport: { width: 320, height: 512 },
    deviceScaleFactor: 2,
    contextOptions: { forcedColors: 'active', reducedMotion: 'reduce' },
  });

  test('every page fits, moves nothing and passes axe', async ({ page, router }) => {
    test.setTimeout(120_000);
    await signIn(page, router);
    await send(page, 'tools');
    await ended(page, 'done');
    const paths = ['/settings', '/usage', '/agents', '/search', '/conversations?shelf=archived', '/admin/users'];
    for (const path of [new URL(page.url()).pathname, ...paths, '/admin/runners', '/admin/prices', '/admin/budgets']) {
      await page.goto(path);
      await expectNoOverflow(page, path);
      // The colours are those of the system.
      await expectAccessible(page, path, { without: ['color-contrast'] });
      const moving = () => document.getAnimations().map((one) => (one as CSSAnimation).animationName);
      expect([path, await page.evaluate(moving)]).toEqual([path, []]);
    }
  });
});
