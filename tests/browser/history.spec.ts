/** The list of conversations, and the way to those that are not in view. */
import type { Page } from '@playwright/test';
import type { RouterProcess } from '../support/process';
import { ended, expect, expectAccessible, expectNoOverflow, send, signIn, test } from './fixtures';

const COUNT = 42;

/** So many more conversations with the agent on the page, `Talk 1` first. */
async function converse(page: Page, router: RouterProcess, count: number): Promise<void> {
  const agent = await page.locator('#composer-form').getAttribute('action');
  for (let index = 1; index <= count; index += 1) {
    const form = { text: `echo Talk ${index}` };
    const response = await page.request.post(agent ?? '', { form, headers: { origin: router.url }, maxRedirects: 0 });
    expect(response.status()).toBe(303);
  }
}

const links = (page: Page) => page.locator('#conversations [data-at]');

test('the list goes on by scrolling, keeps the current conversation in view and hears of others', async ({
  page,
  router,
  context,
}) => {
  await signIn(page, router);
  await converse(page, router, COUNT);
  await page.reload();
  await expect(links(page)).toHaveCount(30);
  await expect(page.locator('#conversations .day')).toHaveText(['Today']);
  await expectAccessible(page, 'sidebar');
  await page.getByRole('link', { name: 'Older conversations' }).scrollIntoViewIfNeeded();
  await expect(links(page)).toHaveCount(COUNT);
  await expect(page.locator('#conversations .day')).toHaveText(['Today']);

  await page.locator('#conversations').getByRole('link', { name: 'echo Talk 2', exact: true }).click();
  const current = page.locator('#conversations [aria-current="page"]');
  await expect(current).toHaveText(/echo Talk 2$/);
  await expect(current).toBeInViewport();

  const other = await context.newPage();
  await other.goto(page.url());
  await send(other, 'echo again');
  await ended(other, 'done');
  await expect(links(page).first()).toHaveText(/echo Talk 2$/);
  await expect(page.locator('#conversations').getByRole('link', { name: 'echo Talk 2', exact: true })).toHaveCount(1);
});

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false });
  test('older conversations are a page', async ({ page, router }) => {
    await signIn(page, router);
    await converse(page, router, COUNT);
    await page.goto('/');
    await page.getByRole('link', { name: 'Older conversations' }).click();
    await expect(page.getByRole('heading', { name: 'Conversations', level: 1 })).toBeVisible();
    await page.getByRole('main').getByRole('link', { name: 'echo Talk 1', exact: true }).click();
    await expect(page.locator('article.user')).toHaveText(/echo Talk 1/);
  });
});

test('the list fits on a phone', async ({ page, router }) => {
  await signIn(page, router);
  await converse(page, router, 3);
  await page.setViewportSize({ width: 320, height: 640 });
  await page.reload();
  await page.getByRole('button', { name: 'Open sidebar' }).click();
  await expectNoOverflow(page, 'sidebar');
  await expectAccessible(page, 'sidebar on a phone');
});
