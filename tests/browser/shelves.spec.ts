/** The menu of each conversation in the list: by pointer, by keyboard, on a phone, and without scripts. */
import type { Page } from '@playwright/test';
import { ended, expect, expectAccessible, expectNoOverflow, menuButton, send, signIn, test } from './fixtures';

const titles = (page: Page, list: string) => page.locator(`#${list} [data-at] .ellipsis`);
const opener = (page: Page, title: string) => menuButton(page, `Options of ${title}`);

async function converse(page: Page, ...texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    await page.getByRole('link', { name: 'New conversation', exact: true }).click();
    await send(page, text);
    await ended(page, 'done');
  }
}

test('by keyboard a conversation is pinned, renamed, archived and deleted in the list, and each tab hears of it', async ({
  page,
  context,
  router,
}) => {
  await signIn(page, router);
  await converse(page, 'echo one', 'echo two', 'echo three');
  const other = await context.newPage();
  await other.goto('/agents');
  await other.getByRole('main').getByRole('link', { name: /^Demo/ }).first().click();
  await page.locator('#conversations').getByRole('link', { name: 'echo one' }).focus();
  await page.keyboard.press('Tab');
  await expect(opener(page, 'echo one')).toBeFocused();
  await page.keyboard.press('Space');
  await expect(page.getByRole('menuitem', { name: 'Rename' })).toBeFocused();
  await expect(opener(page, 'echo one')).toHaveAttribute('aria-expanded', 'true');
  await expectAccessible(page, 'the menu of a conversation');
  await page.keyboard.press('ArrowUp');
  await expect(page.getByRole('menuitem', { name: 'Delete conversation' })).toBeFocused();
  await page.keyboard.press('Home');
  await page.keyboard.press('Escape');
  await expect(opener(page, 'echo one')).toBeFocused();
  await expect(opener(page, 'echo one')).toHaveAttribute('aria-expanded', 'false');

  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('menuitem', { name: 'Rename' })).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  for (const one of [page, other]) {
    await expect(titles(one, 'pinned')).toHaveText(['echo one']);
    await expect(titles(one, 'conversations')).toHaveText(['echo three', 'echo two']);
  }
  await expect(opener(page, 'echo one')).toBeFocused();

  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: 'Rename' }).press('Enter');
  await expect(page.getByLabel('Title')).toBeFocused();
  await expectAccessible(page, 'a conversation that is renamed');
  await page.getByLabel('Title').fill('Uno');
  await page.keyboard.press('Enter');
  for (const one of [page, other]) await expect(titles(one, 'pinned')).toHaveText(['Uno']);
  await expect(opener(page, 'Uno')).toBeFocused();

  await opener(page, 'echo two').focus();
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: 'Archive' }).press('Enter');
  for (const one of [page, other]) await expect(titles(one, 'conversations')).toHaveText(['echo three']);
  const undo = page.getByRole('region', { name: 'Undo' }).getByRole('button', { name: 'Undo' });
  await expect(undo).toBeFocused();
  await expect(undo).toHaveAccessibleDescription('The conversation was archived.');
  await expectAccessible(page, 'a conversation that was archived');
  await page.keyboard.press('Enter');
  for (const one of [page, other]) await expect(titles(one, 'conversations')).toHaveText(['echo three', 'echo two']);
  await expect(undo).toBeHidden();

  await opener(page, 'Uno').focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('menuitem', { name: 'Rename' })).toBeFocused();
  await page.keyboard.press('End');
  await page.keyboard.press('Enter');
  for (const one of [page, other]) await expect(titles(one, 'pinned')).toHaveCount(0);
  await expect(page).toHaveURL(/\/conversations\//);
  await undo.press('Enter');
  for (const one of [page, other]) await expect(titles(one, 'pinned')).toHaveText(['Uno']);
});

test('what is archived has a page of its own, from which it comes back', async ({ page, router }) => {
  await signIn(page, router);
  await converse(page, 'echo one', 'echo two');
  await opener(page, 'echo one').click();
  await page.getByRole('menuitem', { name: 'Archive' }).click();
  await page.getByRole('button', { name: 'Close', exact: true }).click();
  await page.getByRole('button', { name: /Account/ }).click();
  await page.getByRole('link', { name: 'Archived conversations' }).click();
  await expect(titles(page, 'archived')).toHaveText(['echo one']);
  await expectAccessible(page, 'archived conversations');
  await page.getByRole('main').getByRole('link', { name: 'echo one' }).click();
  await expect(page.getByText('This conversation is archived.')).toBeVisible();
  await expectAccessible(page, 'an archived conversation');
  await page.goBack();
  await opener(page, 'echo one').click();
  await page.getByRole('menuitem', { name: 'Take out of the archive' }).click();
  await expect(titles(page, 'archived')).toHaveCount(0);
  await expect(titles(page, 'conversations')).toHaveText(['echo two', 'echo one']);
});

test.describe('on a phone', () => {
  test.use({ viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true });

  test('the menu opens over the open sidebar', async ({ page, router }) => {
    await signIn(page, router);
    await send(page, 'echo small');
    await ended(page, 'done');
    await page.getByRole('button', { name: 'Open sidebar' }).tap();
    await opener(page, 'echo small').tap();
    await expect(page.getByRole('menuitem', { name: 'Pin' })).toBeVisible();
    await expectNoOverflow(page, 'the menu of a conversation on a phone');
    await page.getByRole('menuitem', { name: 'Pin' }).tap();
    await expect(titles(page, 'pinned')).toHaveText(['echo small']);
    await expect(page.getByRole('navigation')).toBeVisible();
  });
});

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false });
  const link = (page: Page, title: string) => page.getByRole('button', { name: `Options of ${title}` });

  test('the button of a conversation leads to a page that does what the menu does', async ({ page, router }) => {
    await signIn(page, router);
    await send(page, 'echo plain');
    await ended(page, 'done');
    await link(page, 'echo plain').click();
    await page.getByLabel('Title').fill('Plainer');
    await page.getByRole('button', { name: 'Rename' }).click();
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Plainer');
    await link(page, 'Plainer').click();
    await page.getByRole('button', { name: 'Pin' }).click();
    await expect(titles(page, 'pinned')).toHaveText(['Plainer']);
    await link(page, 'Plainer').click();
    await page.getByRole('button', { name: 'Delete conversation' }).click();
    await expect(titles(page, 'pinned')).toHaveCount(0);
    await page.getByRole('button', { name: 'Undo' }).click();
    await expect(titles(page, 'pinned')).toHaveText(['Plainer']);
  });
});
