/** What an agent says without being asked, as it arrives on open pages. */
import { answer, ended, expect, expectAccessible, expectNoOverflow, send, signIn, test } from './fixtures';

test('a reminder appears in both open pages of its conversation, and a notice already while the agent answers', async ({
  page,
  router,
  context,
}) => {
  await signIn(page, router);
  await send(page, 'remind 3 Stretch your **legs**.');
  await expect(page).toHaveURL(/\/conversations\//);
  const other = await context.newPage();
  await other.goto(page.url());
  for (const one of [page, other]) {
    const notice = one.locator('article.callback-notice');
    await expect(notice).toContainText('A reminder is set');
    await expect(notice).toHaveCount(1);
    const message = one.locator('article.answer').last();
    await expect(message.locator('strong')).toHaveText('legs');
    await expect(message.locator('.byline')).toContainText('on its own');
    await expect(message.locator('form[action$="/retry"]')).toHaveCount(0);
    await expect(one.locator('article.answer')).toHaveCount(2);
    await expect(one.locator('article.answer').first()).toHaveAttribute('data-status', 'done');
    await expect(one.getByRole('button', { name: 'Send message' })).toBeVisible();
  }
  await expect(page.locator('#status')).toHaveText('The agent wrote to you');
  await expectAccessible(page, 'callbacks');
  await page.setViewportSize({ width: 320, height: 640 });
  await expectNoOverflow(page, 'callbacks');
  await page.reload();
  await expect(answer(page)).toContainText('Stretch your legs.');
  await send(page, 'What did I just say?');
  await ended(page, 'done');
});

test('a reminder marks its conversation as unread on a page of another one, without a reload', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  // Long enough to leave the conversation before it comes, also on a busy machine.
  await send(page, 'remind 20 Stretch.');
  await ended(page, 'done');
  await page.getByRole('link', { name: /^Demo/ }).first().click();
  await expect(page).toHaveURL(/\/agents\//);
  const link = page.locator('#conversations').getByRole('link', { name: /^remind 20 Stretch\./ });
  await expect(link).not.toContainText('unread');
  await expect(link).toContainText('unread', { timeout: 60_000 });
  await expect(page).toHaveTitle(/^\(1\) /);
  await link.click();
  await expect(answer(page)).toContainText('Stretch.');
  await expect(link).not.toContainText('unread');
});
