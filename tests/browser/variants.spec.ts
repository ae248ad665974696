/** A message is said otherwise, an answer asked for again, and the keys that do it. */
import {
  ended,
  expect,
  expectAccessible,
  expectNoOverflow,
  htmxRuns,
  LONG,
  restingPlace,
  send,
  signIn,
  test,
} from './fixtures';

test('a message is edited from the keyboard, and arrows lead between the variants, with the focus on them', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  await send(page, 'echo one');
  await ended(page, 'done');
  await page.locator('#composer-text').press('ArrowUp');
  const edit = page.getByLabel('Your message');
  await expect(edit).toBeFocused();
  await page.keyboard.type(' and more');
  await expect(edit).toHaveValue('echo one and more');
  await expectAccessible(page, 'edit');
  await edit.press('Escape');
  await expect(page.locator('.bubble')).toHaveText('echo one');
  await page.locator('#composer-text').press('ArrowUp');
  await edit.fill('echo two');
  await edit.press('Enter');
  await expect(page.locator('.bubble')).toHaveText('echo two');
  await ended(page, 'done');
  await expect(page.locator('article.answer .prose')).toHaveText('two');
  await expect(page.locator('article')).toHaveCount(2);
  await expectAccessible(page, 'variants');
  for (const width of [1440, 360, 320]) {
    await page.setViewportSize({ width, height: 800 });
    await expectNoOverflow(page, `variants at ${width}`);
  }
  await page.getByRole('button', { name: 'Previous variant' }).press('Enter');
  await expect(page.locator('.bubble')).toHaveText('echo one');
  await expect(page.getByRole('button', { name: 'Previous variant' })).toBeFocused();
  await page.getByRole('button', { name: 'Answer again' }).click();
  await expect(page.locator('article.answer .variants')).toContainText('2 of 2');
});

test('two pages agree about the variant that is shown', async ({ page, router, context }) => {
  await signIn(page, router);
  await send(page, 'echo one');
  await ended(page, 'done');
  const other = await context.newPage();
  await other.goto(page.url());
  await page.getByRole('link', { name: 'Edit message' }).click();
  await page.getByLabel('Your message').fill('echo two');
  await page.getByRole('button', { name: 'Send again' }).click();
  await expect(other.locator('.bubble')).toHaveText('echo two');
  await page.getByRole('button', { name: 'Previous variant' }).click();
  await expect(other.locator('.bubble')).toHaveText('echo one');
  await expect(other.locator('article')).toHaveCount(2);
});

test('the keys are listed by ?, n begins a conversation, and Escape stops an answer', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, LONG);
  await page.locator('#composer-actions .stop').waitFor();
  await page.keyboard.press('Escape');
  await ended(page, 'stopped');
  await page.getByRole('heading', { level: 1 }).click();
  await page.locator('#composer-text').blur();
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toBeVisible();
  await expectAccessible(page, 'keys');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toBeHidden();
  await page.locator('#composer-text').blur();
  await page.keyboard.press('n');
  await page.waitForURL(/\/agents\//);
});

test('the page of a message that is being edited shows its field, also when it is loaded again', async ({
  page,
  router,
}) => {
  await page.setViewportSize({ width: 800, height: 500 });
  await signIn(page, router);
  await send(page, 'echo one');
  await ended(page, 'done');
  await send(page, 'code 40');
  await ended(page, 'done');
  await page.goto((await page.getByRole('link', { name: 'Edit message' }).first().getAttribute('href')) ?? '');
  const edit = page.getByLabel('Your message');
  for (const load of [async () => undefined, () => page.reload()]) {
    await load();
    await htmxRuns(page);
    await restingPlace(page);
    await expect(edit).toBeFocused();
    await expect(edit).toBeInViewport({ ratio: 1 });
  }
});

test('Stop on the page of a message that is being edited keeps what is written there', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, LONG);
  await page.goto((await page.getByRole('link', { name: 'Edit message' }).getAttribute('href')) ?? '');
  await htmxRuns(page);
  const edit = page.getByLabel('Your message');
  await edit.fill('something else');
  await page.getByRole('button', { name: 'Stop answer' }).click();
  await ended(page, 'stopped');
  await expect(page.getByRole('button', { name: 'Send message' })).toBeVisible();
  await expect(edit).toHaveValue('something else');
  await page.getByRole('button', { name: 'Send again' }).click();
  await page.waitForURL(/\/conversations\//);
  await expect(page.locator('.bubble')).toHaveText('something else');
});

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false });
  test('nothing leads away from a message that is being edited while an answer grows', async ({ page, router }) => {
    await signIn(page, router);
    await send(page, LONG);
    await page.goto((await page.getByRole('link', { name: 'Edit message' }).getAttribute('href')) ?? '');
    await expect(page.getByLabel('Your message')).toBeVisible();
    await expect(page.getByRole('button', { name: 'Stop answer' })).toBeHidden();
    await expect(page.locator('meta[http-equiv="refresh"]')).toHaveCount(0);
  });

  test('a message is edited in the page', async ({ page, router }) => {
    await signIn(page, router);
    await send(page, 'echo one');
    await ended(page, 'done');
    await page.getByRole('link', { name: 'Edit message' }).click();
    await page.getByLabel('Your message').fill('echo two');
    await page.getByRole('button', { name: 'Send again' }).click();
    await expect(page.locator('.bubble')).toHaveText('echo two');
  });
});
