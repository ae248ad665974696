/** Rules for the page of an agent's schedules. */
import { answer, ended, expect, expectAccessible, expectNoOverflow, openSchedules, signIn, test } from './fixtures';

test.use({ timezoneId: 'Europe/Lisbon', contextOptions: { reducedMotion: 'reduce' } });

test('a schedule is made in the time zone of the browser, run, paused, changed and deleted', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  await openSchedules(page);
  await expect(page.getByLabel('Time zone')).toHaveValue('Europe/Lisbon');
  await page.getByLabel('What the agent is asked').fill('echo good morning');
  await page.getByRole('button', { name: 'Make schedule' }).click();
  await expect(page.getByText('The schedule is made.')).toBeVisible();
  const schedule = page.getByRole('listitem').filter({ hasText: 'Every weekday at 08:00' });
  await expect(schedule).toContainText('Next: ');

  await schedule.getByRole('button', { name: 'Run now: Every weekday at 08:00' }).click();
  await ended(page, 'done');
  await expect(answer(page)).toContainText('good morning');
  await page.goBack();
  await page.reload();
  await expect(schedule.getByRole('link', { name: 'Show the conversation' })).toBeVisible();

  await schedule.getByRole('link', { name: 'Change: Every weekday at 08:00' }).press('Enter');
  await expect(schedule.getByLabel('What the agent is asked')).toBeFocused();
  await schedule.getByRole('link', { name: 'Cancel' }).press('Enter');
  await expect(schedule.getByRole('button', { name: 'Save' })).toHaveCount(0);
  await schedule.getByRole('link', { name: 'Change: Every weekday at 08:00' }).click();
  const when = schedule.getByLabel('When');
  await when.selectOption({ label: 'By a cron expression' });
  await expect(schedule.getByLabel('At', { exact: true })).toBeHidden();
  await schedule.getByLabel('Cron expression').fill('61 8 * * *');
  await expectAccessible(page, 'schedules');
  for (const width of [1440, 360, 320]) {
    await page.setViewportSize({ width, height: 900 });
    await expectNoOverflow(page, `schedules at ${width}`);
  }
  await schedule.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Not understood.')).toBeVisible();
  await expect(page.getByLabel('Cron expression').first()).toHaveValue('61 8 * * *');
  await expect(page.getByLabel('Cron expression').first()).toBeFocused();
  await page.getByLabel('Cron expression').first().fill('0 8 1 * *');
  await page.getByRole('button', { name: 'Save' }).click();
  const changed = page.getByRole('listitem').filter({ hasText: '0 8 1 * *' });
  await changed.getByRole('button', { name: 'Pause' }).click();
  await expect(page.getByText('The schedule is paused.')).toBeVisible();
  await expect(changed.getByText('paused', { exact: true })).toBeVisible();
  await changed.getByRole('button', { name: 'Resume' }).click();
  await expect(page.getByText('The schedule goes on.')).toBeVisible();
  await changed.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByText('The schedule is deleted.')).toBeVisible();
  await expect(changed).toHaveCount(0);
});

test('a page shows what it missed while it was away, and keeps what it shows when a refresh is refused', async ({
  page,
  router,
  allowComplaint,
}) => {
  allowComplaint(/status of 503/);
  await signIn(page, router);
  const admin = await router.signIn();
  const { agents } = await (await admin.request('/api/agents')).json();
  const { id } = agents.find(({ backend }: { backend: string }) => backend === 'demo');
  const make = (text: string) =>
    admin.request(`/api/agents/${id}/schedules`, { method: 'POST', body: { when: 'every day at 9', text } });
  const told = (status: number) =>
    page.waitForResponse(
      (one) =>
        one.url().endsWith('/schedules') && one.request().isNavigationRequest() === false && one.status() === status,
    );
  const look = (isHidden: boolean) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { configurable: true, value });
      document.dispatchEvent(new Event('visibilitychange'));
    }, isHidden);
  const first = told(200);
  await page.goto(`/agents/${id}/schedules`);
  await first;
  await look(true);
  await make('while it is hidden');
  await look(false);
  const rows = page.locator('#schedules .schedule');
  await expect(rows).toHaveText([/while it is hidden/]);

  await page.route('**/schedules', (route) => route.fulfill({ status: 503, body: '<p>Away</p>' }));
  const refused = told(503);
  await make('while it is refused');
  await (await refused).finished();
  await page.unroute('**/schedules');
  await make('after it');
  await expect(rows).toHaveCount(3);
});
