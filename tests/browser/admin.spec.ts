/** The administrator's pages in a browser: they are live, and stay right after a lost connection. */
import { ended, expect, LOST_CONNECTION, send, signIn, test } from './fixtures';

test('the overview and the list of runners change while they are open, also after the connection was lost', async ({
  page,
  context,
  router,
  allowComplaint,
}) => {
  allowComplaint(LOST_CONNECTION);
  await signIn(page, router);
  const overview = await context.newPage();
  await overview.goto('/admin');
  await expect(overview).toHaveURL(/\/admin\/overview$/);
  const running = overview.locator('#overview-runners .figure', { hasText: 'Running' }).locator('.figure-value');
  await expect(running).toHaveText('0');
  const list = await context.newPage();
  await list.goto('/admin/runners');
  await expect(list.getByText('No agent is awake.')).toBeVisible();

  await send(page, 'echo hello');
  await ended(page, 'done');
  await expect(running).toHaveText('1');
  await expect(overview.locator('#overview-answers')).toContainText('0 of 1 answers');
  await expect(list.locator('#runner-list').getByRole('link', { name: router.admin.email })).toBeVisible();

  await router.kill('SIGTERM');
  await router.start();
  await page.request.delete('/api/runners/demo');
  await expect(running).toHaveText('0');
  await expect(list.getByText('No agent is awake.')).toBeVisible();
});

test('a question that is open on the page of a runner stays open while its output grows, and the page says when it ends', async ({
  page,
  context,
  router,
}) => {
  await signIn(page, router);
  await send(page, 'echo hello');
  await ended(page, 'done');
  const runner = await context.newPage();
  await runner.goto('/admin/runners');
  await runner.locator('#runner-list').getByRole('link', { name: router.admin.email }).click();
  await runner.getByRole('button', { name: 'Stop' }).click();
  await expect(runner.getByRole('dialog')).toBeVisible();
  await page.request.delete('/api/runners/demo');
  await expect(runner.getByText('This runner has ended')).toBeVisible();
  await expect(runner.getByRole('dialog')).toBeVisible();
});

test.describe('on a phone without scripts', () => {
  test.use({ javaScriptEnabled: false, viewport: { width: 320, height: 740 } });
  test('the tabs are one line, and the one of the page is in view', async ({ page, router }) => {
    await signIn(page, router);
    for (const tab of ['overview', 'usage', 'audit']) {
      await page.goto(`/admin/${tab}`);
      const tabs = page.locator('.tabs');
      await expect(tabs.locator('[aria-current]')).toBeInViewport({ ratio: 1 });
      const tops = await tabs.locator('a').evaluateAll((all) => all.map((one) => one.getBoundingClientRect().top));
      expect(new Set(tops).size).toBe(1);
    }
  });
});
