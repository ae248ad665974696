/** Going back: Chromium keeps the page of a conversation, which comes back as current as a loaded one. */
import type { Page } from '@playwright/test';
import { composer, converse, isLive, link, test } from './back-fixtures';
import { ended, expect, LOST_CONNECTION, numberedWords, restingPlace, send, signIn } from './fixtures';

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
  const y = await restingPlace(page);
  await composer(page).fill('a draft');
  await link(page, 'echo one').click();
  await title(page, 'echo one');
  await isLive(page);
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
  allowComplaint,
  go,
}) => {
  allowComplaint(LOST_CONNECTION);
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

test('a conversation comes back in the theme that was chosen meanwhile, and one in another tab follows', async ({
  page,
  router,
  context,
  go,
}) => {
  const url = await converse(page, router, ['echo one']);
  const other = await context.newPage();
  await other.goto(url);
  await page.goto('/settings');
  await page.locator('#browser').getByRole('button', { name: 'Dark' }).click();
  await expect(other.locator('html')).toHaveAttribute('data-theme', 'dark');
  expect(await go(-1)).toBe('kept');
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
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
