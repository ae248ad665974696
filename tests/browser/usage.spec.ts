/** Usage, prices and budgets: the user's page and the administrator's. */
import { CALLS_PER_DAY, idOf, useForThirtyDays } from './every-page-place';
import { expect, expectAccessible, expectNoOverflow, signIn, test } from './fixtures';

test.use({ contextOptions: { reducedMotion: 'reduce' } });

test('pages without anything to show have no accessibility finding either', async ({ page, router }) => {
  test.slow();
  await signIn(page, router);
  for (const path of ['/usage', '/admin/prices', '/admin/budgets']) {
    await page.goto(path);
    await expectAccessible(page, path);
    await expectNoOverflow(page, path);
  }
});

test('the menu leads to the usage, and links and the form choose its days', async ({ page, router }) => {
  await useForThirtyDays(router, await idOf(await router.signIn()));
  await signIn(page, router);
  await page.getByRole('button', { name: /^Account/ }).click();
  await page.getByRole('link', { name: 'Usage', exact: true }).click();
  await expect(page.getByRole('img', { name: /^Bars for 30 days/ })).toBeVisible();
  await expect(page.locator('#totals')).toContainText('360');
  await page.getByRole('link', { name: '7 days' }).click();
  await expect(page.getByRole('img', { name: /^Bars for 7 days/ })).toBeVisible();
  await expect(page.locator('#totals')).toContainText(String(7 * CALLS_PER_DAY));
  const today = new Date().toISOString().slice(0, 10);
  await page.getByRole('textbox', { name: 'From' }).fill(today);
  await page.getByRole('textbox', { name: 'To' }).fill(today);
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(page.getByRole('img', { name: /^Bars for one day/ })).toBeVisible();

  const downloading = page.waitForEvent('download');
  await page.getByRole('link', { name: 'All calls as CSV' }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe(`usage-${today}-to-${today}.csv`);
  const lines = (await Bun.file(await download.path()).text()).trim().split('\r\n');
  expect(lines).toHaveLength(1 + CALLS_PER_DAY);
});

test('a price is added, changed and removed', async ({ page, router }) => {
  await signIn(page, router);
  await page.goto('/admin/prices');
  await page.getByRole('textbox', { name: 'Model' }).fill('lab/model');
  await page.getByLabel('Price in').fill('1,5');
  await page.getByLabel('Price out').fill('3');
  await page.getByRole('button', { name: 'Save price' }).click();
  await expect(page.getByLabel('Price in')).toHaveAccessibleDescription(/such as 2\.50/);
  await page.getByLabel('Price in').fill('1.5');
  await page.getByRole('button', { name: 'Save price' }).click();
  await expect(page.getByRole('row', { name: /lab\/model/ })).toContainText('1.50');
  await page.getByRole('link', { name: 'Change the price of lab/model' }).click();
  await page.getByLabel('Price cached').fill('0.075');
  await page.getByRole('button', { name: 'Save price' }).click();
  await expect(page.getByRole('row', { name: /lab\/model/ })).toContainText('0.075');
  await page.getByRole('link', { name: 'Change the price of lab/model' }).click();
  await page.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await expect(page.locator('#prices')).toContainText('No prices yet.');
});

test('a user sees a budget that is used up, and limits a key of their own', async ({ page, router }) => {
  await signIn(page, router);
  await page.goto('/admin/budgets');
  await page.getByLabel('Hard limit').fill('0');
  await page.getByRole('button', { name: 'Save budget' }).click();
  await expect(page.getByRole('status')).toContainText('Saved');
  await page.goto('/settings');
  await page.getByLabel('Name of the key').fill('Laptop');
  await page.getByRole('button', { name: 'Create key' }).click();
  await page.goto('/usage');
  await expect(page.locator('.notice')).toContainText('A budget is used up.');
  await page.getByText('Limit a key').click();
  await page.getByLabel('Counts').selectOption('Money');
  await page.getByLabel('Soft limit').fill('2.50');
  await page.getByRole('button', { name: 'Save budget' }).click();
  await expect(page.getByRole('meter', { name: 'Budget of Laptop' })).toBeVisible();
  await page.getByRole('button', { name: 'Remove the budget of Laptop' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByRole('meter', { name: 'Budget of Laptop' })).toHaveCount(0);
});

test.describe('without JavaScript', () => {
  test.use({ javaScriptEnabled: false });

  test('days are chosen and prices are set', async ({ page, router }) => {
    await page.goto('/');
    await page.getByLabel('E-mail').fill(router.admin.email);
    await page.getByLabel('Password').fill(router.admin.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.goto('/usage');
    await page.getByRole('textbox', { name: 'From' }).fill('2026-01-01');
    await page.getByRole('textbox', { name: 'To' }).fill('2026-01-31');
    await page.getByRole('button', { name: 'Show' }).click();
    await expect(page).toHaveURL(/\/usage\?from=2026-01-01&to=2026-01-31$/);
    await page.goto('/admin/prices');
    await page.getByRole('textbox', { name: 'Model' }).fill('m');
    await page.getByLabel('Price in').fill('0');
    await page.getByLabel('Price out').fill('0');
    await page.getByRole('button', { name: 'Save price' }).click();
    await expect(page.locator('#flash')).toContainText('Saved');
  });
});

test('a full usage page weighs less than 60 KB over the wire', async ({ page, router }) => {
  await useForThirtyDays(router, await idOf(await router.signIn()));
  await signIn(page, router);
  const client = await page.context().newCDPSession(page);
  await client.send('Network.enable');
  await client.send('Network.setCacheDisabled', { cacheDisabled: true });
  let total = 0;
  client.on('Network.loadingFinished', ({ encodedDataLength }) => {
    total += encodedDataLength;
  });
  // The last to load is htmx, which then asks for the page's stream.
  const stream = page.waitForRequest(/\/live\?/);
  await page.goto('/usage');
  await stream;
  expect(total).toBeGreaterThan(10_000);
  expect(total).toBeLessThan(60_000);
});
