/** The real OpenClaw for a new user: in a container of a real engine, with a scripted upstream. */

import { requireImage } from '../real/runtimes/image';
import { realBackend } from '../real/runtimes/people';
import { realRuntime } from '../real/runtimes/runtimes';
import { toolOutput } from '../real/runtimes/tool-call';
import { engineHost, removeInstallation } from '../support/engine';
import { backendsWithDemoEnv, startRouterProcess } from '../support/process';
import { startUpstream, type Upstream } from '../support/upstream';
import { answer, test as base, ended, expect, send } from './fixtures';

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
    const image = await requireImage(openclaw.recipe, 'the real OpenClaw in a browser');
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

test('sign up, choose OpenClaw, see it start, read its answer as it streams, and what its tool found', async ({
  page,
  upstream,
}) => {
  test.setTimeout(2 * startMs);
  await page.goto('/sign-up');
  await page.getByLabel('Name').fill('Ada');
  await page.getByLabel('E-mail').fill('ada@example.org');
  await page.getByLabel('Password').fill('long enough for anyone');
  await page.getByRole('button', { name: 'Create account' }).click();
  await expect(page.getByRole('heading', { name: 'Demo', level: 1 })).toBeVisible();

  await page.goto('/settings');
  const card = page.locator('#credentials-all');
  await card.getByLabel('Base URL').fill(upstream.url);
  await card.getByLabel('API key').fill(upstream.key);
  await card.getByLabel('Model').fill('a-model');
  await card.getByRole('button', { name: 'Save credentials' }).click();
  await expect(page.getByRole('status').first()).toContainText('Saved');

  await page.getByRole('link', { name: /^OpenClaw/ }).click();
  const badge = page.getByRole('button', { name: /^Runner/ });
  const gate = Promise.withResolvers<void>();
  upstream.script({ pieces: ['The first half,', gate.promise, ' and the second.'] });
  await send(page, 'Tell me something.', 'OpenClaw');
  await expect(answer(page).getByRole('progressbar')).toBeVisible();
  await expect(badge).toContainText('waking up');
  await expect(answer(page)).toContainText('The first half,', { timeout: startMs });
  await expect(answer(page)).toHaveAttribute('data-status', 'streaming');
  gate.resolve();
  await ended(page, 'done');
  await expect(answer(page).locator('.prose')).toHaveText('The first half, and the second.');
  await expect(badge).toContainText('awake');

  upstream.script(openclaw.shell('id -un; pwd'), {
    get pieces() {
      return ['It said:\n\n```\n', toolOutput(upstream), '\n```\n'];
    },
  });
  await send(page, 'Who are you, and where?', 'OpenClaw');
  await ended(page, 'done');
  await expect(answer(page).locator('pre code')).toContainText(/^node\n\/home\/node\//);

  await page.reload();
  await expect(page.locator('article.user')).toHaveText([/Tell me something\./, /Who are you, and where\?/]);
  await expect(answer(page).locator('pre code')).toContainText('/home/node/');
});
