/** The first ten minutes: from a fresh installation to an invited colleague's first answer. */
import type { Page } from '@playwright/test';
import { startUpstream, type Upstream } from '../support/upstream';
import { answer, test as base, ended, expect, htmxRuns } from './fixtures';

const test = base.extend<{ upstream: Upstream }>({
  routerEnv: { ALLOW_SIGNUP: 'false' },
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of fixtures from it
  upstream: async ({}, use) => {
    await using upstream = startUpstream();
    await use(upstream);
  },
});

async function signInAtFirst(page: Page, admin: { email: string; password: string }): Promise<void> {
  await page.goto('/');
  await page.getByLabel('E-mail').fill(admin.email);
  await page.getByLabel('Password').fill(admin.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page).toHaveURL(/\/admin\/start$/);
}

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? 'with JavaScript' : 'without JavaScript', () => {
    test.use({ javaScriptEnabled });

    test('the administrator is led from the address of an LLM to a first answer, and a colleague to theirs', async ({
      page,
      browser,
      router,
      upstream,
    }) => {
      await signInAtFirst(page, router.admin);
      const model = page.locator('#start-model');
      if (javaScriptEnabled) await htmxRuns(page);
      await model.getByLabel('Base URL').fill(upstream.url);
      await model.getByLabel('API key').fill(upstream.key);
      await model.getByRole('button', { name: 'Test connection' }).click();
      await expect(model.getByRole('status')).toContainText('It answers');
      // Without JavaScript the page comes anew, and does not keep the key.
      if (!javaScriptEnabled) await model.getByLabel('API key').fill(upstream.key);
      await model.getByRole('combobox', { name: 'Model' }).selectOption('test-model');
      await model.getByRole('button', { name: 'Save credentials' }).click();
      const share = page.locator('#start-share');
      await share.getByRole('button', { name: 'Share with everybody' }).click();
      await share.getByRole('dialog').getByRole('button', { name: 'Share with everybody' }).click();
      const invite = page.locator('#start-invite');
      await invite.getByRole('button', { name: 'Make an invitation' }).click();
      const link = (await invite.getByRole('status').locator('code').textContent()) ?? '';
      await page.locator('#start-answer summary').click();
      upstream.script({ pieces: ['Hello', ' administrator.'] });
      await page.locator('#start-answer').getByRole('button', { name: 'Send message' }).click();
      await ended(page, 'done');
      await expect(answer(page)).toContainText('Hello administrator.');

      const context = await browser.newContext({ baseURL: router.url, javaScriptEnabled });
      const colleague = await context.newPage();
      await colleague.goto(link);
      await colleague.getByLabel('Name').fill('Grace');
      await colleague.getByLabel('E-mail').fill('grace@example.org');
      await colleague.getByLabel('Password').fill('green-bicycle-9');
      await colleague.getByRole('button', { name: 'Create account' }).click();
      await colleague.getByRole('link', { name: /^Direct/ }).click();
      await colleague.getByRole('textbox', { name: 'Message Direct' }).fill('hello');
      await colleague.getByRole('button', { name: 'Send message' }).click();
      await ended(colleague, 'done');
      await expect(answer(colleague)).toContainText('Hello from upstream.');
      await context.close();

      await page.goto('/admin/start');
      await expect(page.locator('#content')).toContainText('Everything is set up.');
    });
  });
}

test('every step can be skipped, and the page is reached again when it is not wanted any more', async ({
  page,
  router,
}) => {
  await signInAtFirst(page, router.admin);
  for (const step of ['share', 'invite', 'answer']) {
    await page.getByRole('link', { name: /Skip this step/ }).click();
    await expect(page.locator(`#start-${step} .step-body`)).toBeInViewport();
  }
  await page.getByRole('button', { name: 'Do not lead me here any more' }).click();
  await expect(page.getByRole('heading', { name: 'Demo', level: 1 })).toBeVisible();
  await page.getByRole('button', { name: /Account/ }).click();
  await page.getByRole('link', { name: 'Administration' }).click();
  await page.getByRole('link', { name: 'First steps' }).click();
  await expect(page.locator('#start-model .step-body')).toBeVisible();
});
