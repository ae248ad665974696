/** Everything once without JavaScript: forms post, and the page reloads itself while an answer grows. */
import { answer, ended, expect, LONG, send, signIn, test } from './fixtures';

test.use({ javaScriptEnabled: false });

test('without JavaScript a person signs in, sends, sees the answer, and stops another', async ({
  page,
  router,
  starts,
}) => {
  await signIn(page, router);
  await starts.hold();
  await send(page, 'echo hello without scripts');
  await expect(page).toHaveURL(/\/conversations\//);
  await expect(answer(page).getByRole('progressbar')).toBeVisible();
  await starts.release();
  await ended(page, 'done');
  await expect(answer(page)).toContainText('hello without scripts');

  await send(page, LONG);
  await expect(answer(page)).toContainText('word word');
  await page.getByRole('button', { name: 'Stop answer' }).click();
  await ended(page, 'stopped');
  await expect(page.getByRole('button', { name: 'Send message' })).toBeVisible();
});

test('without JavaScript an empty message and wrong settings are refused on the page', async ({ page, router }) => {
  await signIn(page, router);
  await page.getByRole('textbox', { name: 'Message Demo' }).fill('   ');
  await page.getByRole('button', { name: 'Send message' }).click();
  await expect(page.getByRole('alert')).toContainText('Write a message first.');
  await page.goto('/settings');
  await page.locator('#credentials-all').getByLabel('Base URL').fill('nonsense');
  await page.locator('#credentials-all').getByRole('button', { name: 'Save credentials' }).click();
  await expect(page.locator('#credentials-all').getByLabel('Base URL')).toHaveAttribute('aria-invalid', 'true');
  await page.getByRole('button', { name: /Account/ }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL(/\/sign-in$/);
});
