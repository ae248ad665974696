/**
 * Two tabs and a phone agree about runners, schedules and the list of conversations, without a reload. stream.spec.ts has an open
 * conversation, its answers and that it is deleted; variants.spec.ts what is shown of it; callbacks.spec.ts what its agent says unasked.
 */
import type { Page } from '@playwright/test';
import { answer, ended, expect, menuButton, openSchedules, send, signIn, test } from './fixtures';

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

test('two tabs and a phone agree about what is unread, pinned, renamed, archived and deleted', async ({
  page,
  context,
  browser,
  router,
}) => {
  test.slow();
  await signIn(page, router);
  const ofPhone = await browser.newContext({ baseURL: router.url, viewport: { width: 360, height: 740 } });
  const phone = await ofPhone.newPage();
  await signIn(phone, router);
  await phone.getByRole('button', { name: 'Open sidebar' }).click();
  const agent = await page.locator('#composer-form').getAttribute('action');
  await send(page, 'echo one');
  await ended(page, 'done');
  const archive = await context.newPage();
  await archive.goto('/conversations?shelf=archived');
  const others = [archive, phone];
  const titles = (one: Page, list: string) => one.locator(`#${list} [data-at] .ellipsis`);
  const choose = async (title: string, item: string) => {
    await menuButton(page, `Options of ${title}`).click();
    await page.getByRole('menuitem', { name: item, exact: true }).click();
  };

  // No page has it open.
  await page.request.post(agent ?? '', {
    form: { text: 'echo two' },
    headers: { origin: router.url },
    maxRedirects: 0,
  });
  for (const one of [page, ...others])
    await expect(one.locator('#conversations').getByRole('link', { name: 'echo two unread' })).toBeVisible();
  await phone
    .locator('#conversations')
    .getByRole('link', { name: /^echo two/ })
    .click();
  await expect(answer(phone)).toContainText('two');
  for (const one of [page, archive])
    await expect(one.locator('#conversations').getByRole('link', { name: 'echo two', exact: true })).toBeVisible();
  await phone.getByRole('button', { name: 'Open sidebar' }).click();

  await choose('echo one', 'Pin');
  for (const one of others) await expect(titles(one, 'pinned')).toHaveText(['echo one']);
  await choose('echo one', 'Rename');
  await page.getByLabel('Title').fill('Uno');
  await page.keyboard.press('Enter');
  for (const one of others) await expect(titles(one, 'pinned')).toHaveText(['Uno']);
  await choose('Uno', 'Archive');
  await expect(titles(archive, 'archived')).toHaveText(['Uno']);
  for (const one of others) await expect(titles(one, 'pinned')).toHaveCount(0);
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(titles(archive, 'archived')).toHaveCount(0);
  for (const one of others) await expect(titles(one, 'pinned')).toHaveText(['Uno']);
  await choose('Uno', 'Delete conversation');
  for (const one of others) await expect(titles(one, 'pinned')).toHaveCount(0);
  await expect(titles(phone, 'conversations')).toHaveText(['echo two']);
  await ofPhone.close();
});
