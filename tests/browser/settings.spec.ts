/** The settings: credentials, keys, idle time, theme. */
import { PEOPLE } from '../support/router';
import { startUpstream } from '../support/upstream';
import { ended, expect, expectAccessible, htmxRuns, send, signIn, standsStill, test } from './fixtures';

test('credentials are saved, masked when they come back, and a wrong address keeps what was typed', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  await page.goto('/settings');
  const card = page.locator('#credentials-all');
  await card.getByLabel('Base URL').fill('not an address');
  await card.getByLabel('Model').fill('some-model');
  await card.getByRole('button', { name: 'Save credentials' }).click();
  await expect(card.getByLabel('Base URL')).toHaveAttribute('aria-invalid', 'true');
  await expect(card.getByLabel('Base URL')).toHaveAccessibleDescription(/Must be an http or https address/);
  await expect(card.getByLabel('Base URL')).toHaveValue('not an address');
  await expect(card.getByLabel('Model')).toHaveValue('some-model');

  await card.getByLabel('Base URL').fill('https://llm.example.org/v1');
  await card.getByLabel('API key').fill('sk-a-long-upstream-key-9876');
  await card.getByRole('button', { name: 'Save credentials' }).click();
  await expect(page.locator('.notice[role="status"]')).toContainText('Saved');
  await expect(card.getByLabel('Base URL')).toHaveValue('https://llm.example.org/v1');
  await expect(card.getByLabel('API key')).toHaveValue('');
  await expect(card.getByLabel('API key')).toHaveAttribute('placeholder', /^•+9876$/);
  expect(await page.content()).not.toContain('sk-a-long-upstream-key');

  await card.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await expect(card.getByLabel('Base URL')).toHaveValue('');
});

test('a connection is tried, a model is chosen from what it serves, and everybody gets it', async ({
  page,
  router,
}) => {
  await using upstream = startUpstream({ key: 'sk-of-the-admin-0123456789', model: 'a-model-of-the-upstream' });
  await signIn(page, router);
  await page.goto('/settings');
  const card = page.locator('#credentials-all');
  await htmxRuns(page);
  await expect(page.getByRole('button', { name: 'Share with everybody' })).toHaveCount(0);
  await card.getByLabel('Base URL').fill(upstream.url);
  await card.getByLabel('API key').fill('wrong');
  await card.getByRole('button', { name: 'Test connection' }).click();
  await expect(card.getByRole('alert')).toContainText('refused the credentials');
  await expect(card.getByLabel('API key')).toHaveValue('wrong');
  await card.getByLabel('API key').fill(upstream.key);
  await card.getByRole('button', { name: 'Test connection' }).click();
  await expect(card.getByRole('status')).toContainText('serves one model');
  await card.getByLabel('Model').selectOption('a-model-of-the-upstream');
  await card.getByRole('button', { name: 'Save credentials' }).click();
  await expect(page.locator('.effective').first()).toContainText('a-model-of-the-upstream at 127.0.0.1');
  await page.getByRole('button', { name: 'Share with everybody' }).click();
  // It costs money, so it is asked first; and the card says what happened, where the reader looks.
  await page.getByRole('dialog').getByRole('button', { name: 'Share with everybody' }).click();
  await expect(page.locator('#credentials-said')).toContainText('Shared');
  await expect(page.locator('#credentials-said')).toBeFocused();
  await expect(page.locator('#credentials-said')).toBeInViewport();

  await router.signIn(PEOPLE.alice);
  await page.context().clearCookies();
  await page.goto('/');
  await page.getByLabel('E-mail').fill(PEOPLE.alice.email);
  await page.getByLabel('Password').fill(PEOPLE.alice.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('link', { name: /^Direct/ }).click();
  await expect(page.locator('#missing-credentials')).toHaveCount(0);
  await page.getByRole('textbox', { name: 'Message Direct' }).fill('hello');
  await page.getByRole('button', { name: 'Send message' }).click();
  await ended(page, 'done');
  await expect(page.locator('article.answer')).toContainText('Hello from upstream.');
  await page.goto('/settings');
  await expect(page.locator('.effective').first()).toContainText('shared by the administrator');
  expect(await page.content()).not.toContain('6789');
});

test('an agent without its credentials asks for them where its answer would be, and then answers', async ({
  page,
  router,
}) => {
  await using upstream = startUpstream({ key: 'sk-of-the-admin-0123456789' });
  await signIn(page, router);
  await page.getByRole('link', { name: /^Direct/ }).click();
  await expect(page.locator('#missing-credentials')).toContainText('Base URL, API key, Model');
  await page.getByRole('textbox', { name: 'Message Direct' }).fill('hello');
  await page.getByRole('button', { name: 'Send message' }).click();
  await ended(page, 'failed');
  const form = page.locator('article.answer .missing-form');
  await htmxRuns(page);
  await form.getByLabel('Base URL').fill('nonsense');
  await form.getByLabel('API key').fill(upstream.key);
  await form.getByLabel('Model').fill('some-model');
  await form.getByRole('button', { name: 'Test connection' }).click();
  await expect(form.getByRole('alert')).toContainText('Must be an http or https address');
  await form.getByRole('button', { name: 'Save and try again' }).click();
  await expect(form.getByLabel('Base URL')).toHaveAccessibleDescription(/Must be an http or https address/);
  await form.getByLabel('Base URL').fill(upstream.url);
  await form.getByLabel('API key').fill(upstream.key);
  await form.getByRole('button', { name: 'Test connection' }).click();
  await expect(form.getByRole('status')).toContainText('serves one model');
  // Nothing that was typed is lost by the test.
  await expect(form.getByLabel('API key')).toHaveValue(upstream.key);
  await form.getByLabel('Model').selectOption('test-model');
  await form.getByLabel('Only for Direct').check();
  await expect(form.getByText('Share with everybody')).toBeHidden();
  await form.getByLabel('For all agents').check();
  await form.getByText('Share with everybody').click();
  await expect(form).toContainText('Their calls are on your account');
  await expectAccessible(page, 'the form with what sharing means');
  await form.getByRole('button', { name: 'Save, share and try again' }).click();
  await ended(page, 'done');
  await expect(page.locator('article.answer')).toContainText('Hello from upstream.');
  await page.goto('/settings');
  await expect(page.locator('#credentials-share').getByRole('button', { name: 'Stop sharing' })).toBeVisible();
});

test('a key is shown once, works on /v1, and not any more once it is revoked', async ({ page, router }) => {
  await signIn(page, router);
  await page.goto('/settings');
  await page.getByLabel('Name of the key').fill('Laptop');
  await page.getByRole('button', { name: 'Create key' }).click();
  const key = (await page.locator('#created-key code').textContent()) ?? '';
  expect(key).toMatch(/^sk-as-/);
  const models = () => fetch(`${router.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  expect((await models()).status).toBe(200);

  await page.goto('/settings');
  expect(await page.content()).not.toContain(key);
  await expect(page.locator('#keys')).toContainText(`…${key.slice(-4)}`);
  await page.getByRole('button', { name: /^Revoke/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await expect(page.locator('.notice[role="status"]')).toContainText('Revoked');
  await expect(page.locator('#keys')).toContainText('No keys yet.');
  expect((await models()).status).toBe(401);
});

test('a key gets limits where they are folded away, and the administrator revokes those of everybody', async ({
  page,
  router,
}) => {
  await router.signIn(PEOPLE.alice);
  await signIn(page, router);
  await page.goto('/settings');
  const card = page.locator('#keys');
  await expect(card.getByLabel('Requests a minute')).toBeHidden();
  await page.getByLabel('Name of the key').fill('CI');
  await card.getByText('Limits', { exact: true }).click();
  await card.getByLabel('Requests a minute').fill('none');
  await card.getByLabel('Demo', { exact: true }).check();
  await page.getByRole('button', { name: 'Create key' }).click();
  await expect(card.getByLabel('Requests a minute')).toHaveAccessibleDescription(/A whole number/);
  await expect(card.getByLabel('Demo', { exact: true })).toBeChecked();
  await expectAccessible(page, 'a key that was refused');
  await card.getByLabel('Requests a minute').fill('60');
  await card.getByLabel('Last day').fill('2999-12-31');
  await page.getByRole('button', { name: 'Create key' }).click();
  const key = (await page.locator('#created-key code').textContent()) ?? '';
  await expect(card.locator('.rows')).toContainText('only Demo · 60 requests a minute · expires');
  const models = () => fetch(`${router.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  expect(
    ((await (await models()).json()) as { data: { root: string }[] }).data.every(({ root }) => root === 'demo'),
  ).toBe(true);

  await page.goto('/admin/usage');
  await page.getByRole('link', { name: 'Keys', exact: true }).click();
  await expect(page.locator('#keys .rows')).toContainText('CI');
  await expectAccessible(page, 'the keys of everybody');
  await page.getByRole('button', { name: 'Revoke CI' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await expect(page.locator('.notice[role="status"]')).toContainText('Revoked');
  expect((await models()).status).toBe(401);
});

test('an idle time and who names conversations are saved when they are changed', async ({ page, router }) => {
  await signIn(page, router);
  await page.goto('/settings');
  await htmxRuns(page);
  await page.locator('#idle-demo select').selectOption({ label: '1 hour' });
  await expect(page.locator('#idle-demo').getByRole('status')).toHaveText('Saved');
  await page.getByLabel('My model names my conversations').uncheck();
  await expect(page.locator('#you').getByRole('status')).toHaveText('Saved');
  await expectAccessible(page, 'settings that were saved');
  await page.reload();
  await expect(page.locator('#idle-demo select')).toHaveValue('3600');
  await expect(page.getByLabel('My model names my conversations')).not.toBeChecked();
});

test('the theme is kept in this browser and applied before the first paint', async ({ page, router }) => {
  await signIn(page, router);
  await page.goto('/settings');
  const background = async () => {
    await standsStill(page);
    return page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  };
  const light = await background();
  await page.locator('#browser').getByRole('button', { name: 'Dark' }).click();
  await expect(page.locator('#browser').getByRole('button', { name: 'Dark' })).toHaveAttribute('aria-pressed', 'true');
  const dark = await background();
  expect(dark).not.toBe(light);
  await page.goto('/');
  expect(await background()).toBe(dark);
});

test('a runner is started and stopped by hand', async ({ page, router }) => {
  await signIn(page, router);
  const badge = page.getByRole('button', { name: /^Runner/ });
  await expect(badge).toContainText('asleep');
  await badge.click();
  await page.getByRole('button', { name: 'Wake it now' }).click();
  await expect(badge).toContainText('awake');
  expect(await router.runners()).toHaveLength(1);
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(badge).toContainText('asleep');
  expect(await router.runners()).toHaveLength(0);
  await page.keyboard.press('Escape');
  await send(page, 'echo again');
  await ended(page, 'done');
});
