/** Rules for the pages about an agent. */
import { answer, ended, expect, expectAccessible, expectNoOverflow, send, signIn, test } from './fixtures';

test.use({ contextOptions: { reducedMotion: 'reduce' } });

test('behind the state of the runner is what it does, and a page with its log that goes on by itself', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  const badge = page.getByRole('button', { name: /^Runner/ });
  await expect(badge).toContainText('asleep, wakes with your message');
  await send(page, `slow ${'word '.repeat(400)}`);
  await expect(answer(page)).toContainText('word', { timeout: 20_000 });
  await badge.click();
  await expect(page.getByText('busy: 1 answer')).toBeVisible();
  await page.getByRole('link', { name: 'Log, CPU and memory' }).click();
  const log = page.locator('#runner-log');
  await expect(log).toContainText('turn.started');
  await expectAccessible(page, 'runner');
  for (const width of [1440, 360, 320]) {
    await page.setViewportSize({ width, height: 900 });
    await expectNoOverflow(page, `runner at ${width}`);
  }
  await page.getByRole('button', { name: 'Restart' }).click();
  await expect(log).not.toContainText('turn.started');
  await expect(log).toContainText('agent.ready');
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(page.getByText('Its output is shown here while it is awake.')).toBeVisible();
  await page.getByRole('link', { name: 'Chat', exact: true }).click();
  await send(page, 'echo again');
  await ended(page, 'done');
});
