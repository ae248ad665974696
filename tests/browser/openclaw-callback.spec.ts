/** The real OpenClaw speaks without being asked: by the command of its seed, on open pages. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sayCommand } from '../real/runtimes/callback';
import { requireImage } from '../real/runtimes/image';
import { realBackend } from '../real/runtimes/people';
import { realRuntime } from '../real/runtimes/runtimes';
import { engineHost, removeInstallation } from '../support/engine';
import { backendsWithDemoEnv, startRouterProcess } from '../support/process';
import { startUpstream, type Upstream } from '../support/upstream';
import { answer, test as base, done, ended, expect, send, signIn } from './fixtures';

/** Only ends a failed test: OpenClaw starts and answers within half a minute, on a slow machine within two. */
const startMs = 180_000;
const openclaw = realRuntime('openclaw');

const test = base.extend<{ upstream: Upstream }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures from here.
  async upstream({}, use) {
    await using upstream = startUpstream();
    await use(upstream);
  },

  // biome-ignore lint/correctness/noEmptyPattern: as above.
  async router({}, use, info) {
    const image = await requireImage(openclaw.recipe, 'the callback of the real OpenClaw in a browser');
    info.skip(image === undefined, 'the image of OpenClaw is not there');
    const demo = (await backendsWithDemoEnv({})).filter(({ name }) => name === 'demo');
    const backends = [...demo, realBackend(openclaw, image ?? '')];
    await using router = await startRouterProcess({ backends, env: { DOCKER_HOST: engineHost } });
    try {
      await use(router);
    } finally {
      await router.kill('SIGTERM');
      await removeInstallation(router.installationId);
    }
  },
});

test('asked to, its agent writes into the open page, and marks a conversation that no page shows', async ({
  page,
  router,
  upstream,
}) => {
  test.setTimeout(3 * startMs);
  await signIn(page, router);
  await page.goto('/settings');
  const card = page.locator('#credentials-all');
  await card.getByLabel('Base URL').fill(upstream.url);
  await card.getByLabel('API key').fill(upstream.key);
  await card.getByLabel('Model').fill('a-model');
  await card.getByRole('button', { name: 'Save credentials' }).click();
  await expect(done(page)).toContainText('Saved');

  await page.getByRole('link', { name: /^OpenClaw/ }).click();
  const gate = Promise.withResolvers<void>();
  const end = { pieces: [gate.promise, 'I told you.'] };
  upstream.script(openclaw.shell(await sayCommand(openclaw, "'The build is **done**.'")), end);
  await send(page, 'Build it, and tell me.', 'OpenClaw');
  // It arrives while the answer to the request is still being written.
  const message = page.locator('article.answer').filter({ hasText: 'The build is done.' });
  await expect(message.locator('strong')).toHaveText('done', { timeout: startMs });
  await expect(message.locator('.byline')).toContainText('on its own');
  await expect(page.locator('article.answer').first()).toHaveAttribute('data-status', 'streaming');
  gate.resolve();
  await expect(page.locator('article.answer').first()).toContainText('I told you.');
  await expect(page.locator('article.answer').first()).toHaveAttribute('data-status', 'done');
  await expect(answer(page)).toContainText('The build is done.');

  // In the background, once a file is there: when no page shows the conversation.
  const conversation = page.url().split('/').at(-1) ?? '';
  const later = await sayCommand(openclaw, `--conversation ${conversation} 'It is shipped.'`);
  const command = `(while ! test -e shipped; do sleep 0.2; done; ${later}) >/dev/null 2>&1 &`;
  upstream.script(openclaw.shell(command), { pieces: ['I will tell you.'] });
  await send(page, 'Ship it, and tell me.', 'OpenClaw');
  await expect(answer(page)).toContainText('I will tell you.', { timeout: startMs });
  await ended(page, 'done');
  const agent = (await page.locator('.title-agent a').first().getAttribute('href'))?.split('/')[2] ?? '';
  await page.getByRole('link', { name: /^Demo/ }).first().click();
  const link = page.locator('#conversations').getByRole('link', { name: /^Build it, and tell me\./ });
  await expect(link).not.toContainText('unread');
  const workspace = join(router.dataRoot, 'homes', agent, 'workspace');
  await mkdir(workspace, { recursive: true });
  await writeFile(join(workspace, 'shipped'), '');
  await expect(link).toContainText('unread', { timeout: startMs });
  await link.click();
  await expect(answer(page)).toContainText('It is shipped.');
  await expect(link).not.toContainText('unread');
});
