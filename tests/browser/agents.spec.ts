/** Rules for the pages about an agent. */
import { answer, ended, expect, expectAccessible, expectNoOverflow, LONG, send, signIn, test } from './fixtures';

/** A picture of one pixel. */
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

test.use({ contextOptions: { reducedMotion: 'reduce' } });

test('behind the state of the runner is what it does, and a page with its log that goes on by itself', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  const badge = page.getByRole('button', { name: /^Runner/ });
  await expect(badge).toContainText('asleep, wakes with your message');
  await send(page, LONG);
  await expect(answer(page)).toContainText('word');
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

test('an agent is made, named, instructed and deleted in its page', async ({ page, router }) => {
  await signIn(page, router);
  await page.getByRole('link', { name: 'Agents and their settings' }).click();
  await expectAccessible(page, 'agents');
  await page.getByLabel('Name', { exact: true }).fill('Researcher');
  await page.getByLabel('Kind').selectOption('direct');
  await page.getByRole('button', { name: 'Make agent' }).click();
  await expect(page.getByText('Your new agent is ready')).toBeVisible();
  await page.getByLabel('Name', { exact: true }).fill('Finder');
  await page.getByLabel('Model', { exact: true }).fill('some-model');
  await page.getByLabel('Falls asleep after').selectOption({ label: '1 hour' });
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByText('Saved.', { exact: true })).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Finder', level: 1 })).toBeVisible();
  await page.getByLabel('What the agent should know and do').fill('Be brief.');
  await page.getByRole('button', { name: 'Save instructions' }).click();
  await expect(page.getByText('Your own. They are written into AGENTS.md')).toBeVisible();
  await expectAccessible(page, 'settings of an agent');
  for (const width of [1440, 360, 320]) {
    await page.setViewportSize({ width, height: 900 });
    await expectNoOverflow(page, `settings of an agent at ${width}`);
  }
  await page.getByLabel('Type “Finder” to delete it').fill('Researcher');
  await page.getByRole('button', { name: 'Delete agent' }).click();
  await expect(page.getByText('That is not the name of this agent')).toBeVisible();
  await page.getByLabel('Type “Finder” to delete it').fill('Finder');
  await page.getByRole('button', { name: 'Delete agent' }).click();
  await expect(page.getByText('The agent is deleted.')).toBeVisible();
});

test('the model is chosen in the title bar, from what its API serves', async ({ page, router }) => {
  using upstream = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: () => Response.json({ data: [{ id: 'small' }, { id: 'large' }] }),
  });
  const admin = await router.signIn();
  const values = { LLM_BASE_URL: `${upstream.url}v1`, LLM_API_KEY: 'sk-test', LLM_MODEL: 'small' };
  await admin.request('/settings/credentials', { method: 'POST', body: new URLSearchParams({ scope: '', ...values }) });
  await signIn(page, router, { agent: 'Direct' });
  const model = page.getByRole('button', { name: /^Model/ });
  await expect(model).toContainText('small');
  await model.click();
  await expect(page.getByRole('button', { name: 'As in Settings: small' })).toHaveAttribute('aria-current', 'true');
  await expectAccessible(page, 'choice of a model');
  await page.getByRole('button', { name: 'large', exact: true }).click();
  await expect(model).toContainText('large');
});

test('files of the home are seen, downloaded and uploaded, also by drop', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, 'echo hello');
  await ended(page, 'done');
  await page.getByRole('link', { name: 'Demo', exact: true }).first().click();
  await page.getByRole('link', { name: 'Files', exact: true }).click();
  await expect(page.getByText(/^The home has .* in \d+ files\.$/)).toBeVisible();
  await expectAccessible(page, 'files');
  for (const width of [1440, 360, 320]) {
    await page.setViewportSize({ width, height: 900 });
    await expectNoOverflow(page, `files at ${width}`);
  }
  await page.getByLabel('Files for this folder').setInputFiles({
    name: 'picture.png',
    mimeType: 'image/png',
    buffer: Buffer.from(PIXEL, 'base64'),
  });
  await page.getByRole('button', { name: 'Upload files' }).click();
  await expect(page.getByText('Uploaded. The agent finds it in its home.')).toBeVisible();
  await page.evaluate(() => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(['dropped words'], 'dropped.txt'));
    window.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
  });
  await page.getByRole('link', { name: 'dropped.txt', exact: true }).click();
  await expect(page.getByText('dropped words')).toBeVisible();
  await expectAccessible(page, 'a file');
  await page.getByRole('link', { name: 'Home', exact: true }).click();
  await page.getByRole('link', { name: 'picture.png', exact: true }).click();
  const picture = page.getByRole('img', { name: 'picture.png' });
  await expect.poll(() => picture.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(1);
  await page.getByRole('link', { name: 'Home', exact: true }).click();
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download as archive' }).click();
  expect((await download).suggestedFilename()).toBe('Demo.tar.gz');
});
