/** A conversation by keyboard alone. Every page by Tab is in every-page-ways.spec.ts, its other modes in every-page.spec.ts. */
import type { Page } from '@playwright/test';
import { answer, ended, expect, test } from './fixtures';

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
