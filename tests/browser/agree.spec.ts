/** Two tabs and a phone agree about runners and schedules, without a reload. stream.spec.ts has conversations and answers. */
import { answer, ended, expect, openSchedules, send, signIn, test } from './fixtures';

test('two tabs and a phone agree about the state of a runner, whatever page each has open', async ({
  page,
  context,
  browser,
  router,
}) => {
  await signIn(page, router);
  const settings = await context.newPage();
  await settings.goto('/settings');
  const admin = await context.newPage();
  await admin.goto('/admin/overview');
  const ofPhone = await browser.newContext({ baseURL: router.url, viewport: { width: 360, height: 740 } });
  const phone = await ofPhone.newPage();
  await signIn(phone, router);
  const states = [
    page.locator('.runner-button'),
    settings.locator('#sidebar .badge').first(),
    admin.locator('#sidebar .badge').first(),
    phone.locator('.runner-button'),
  ];
  for (const state of states) await expect(state).toContainText('asleep');
  await send(page, 'echo hello');
  for (const state of states) await expect(state).toContainText('awake');
  for (const one of [settings, admin])
    await expect(one.locator('#conversations').getByRole('link', { name: 'echo hello' })).toBeVisible();
  await phone.locator('.runner-button').click();
  await phone.getByRole('button', { name: 'Stop', exact: true }).click();
  for (const state of states) await expect(state).toContainText('asleep');
  await ofPhone.close();
});

test('two tabs and a phone agree about schedules and what became of them', async ({
  page,
  context,
  browser,
  router,
}) => {
  await signIn(page, router);
  await openSchedules(page);
  const other = await context.newPage();
  await other.goto(page.url());
  const ofPhone = await browser.newContext({ baseURL: router.url, viewport: { width: 360, height: 740 } });
  const phone = await ofPhone.newPage();
  await signIn(phone, router);
  await phone.goto(page.url());
  await page.getByLabel('What the agent is asked').fill('echo good morning');
  await page.getByRole('button', { name: 'Make schedule' }).click();
  const rows = [other, phone].map((one) => one.locator('.schedule').filter({ hasText: 'good morning' }));
  for (const row of rows) await expect(row).toContainText('Every weekday');
  const field = other.getByLabel('What the agent is asked');
  await field.fill('something else');
  await page.getByRole('button', { name: /^Run now/ }).click();
  await ended(page, 'done');
  for (const row of rows) await expect(row.getByRole('link', { name: 'Show the conversation' })).toBeVisible();
  await expect(other.locator('#conversations').getByRole('link', { name: /^echo good morning/ })).toBeVisible();
  // What is typed there stays.
  await expect(field).toHaveValue('something else');
  await expect(field).toBeFocused();
  await rows[1]?.getByRole('button', { name: /^Pause/ }).click();
  await expect(rows[0] ?? other.locator('body')).toContainText('paused');
  await phone.getByRole('link', { name: 'Show the conversation' }).click();
  await expect(answer(phone)).toContainText('good morning');
  await ofPhone.close();
});
