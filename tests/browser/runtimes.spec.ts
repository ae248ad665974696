/** The real runtimes for a new user: each in a container of a real engine, with a scripted upstream. */

import { requireImage } from '../real/runtimes/image';
import { realBackend } from '../real/runtimes/people';
import { REAL_RUNTIMES, type RealRuntime, realRuntime } from '../real/runtimes/runtimes';
import { toolOutput } from '../real/runtimes/tool-call';
import { docker, engineHost, removeInstallation, runInside } from '../support/engine';
import { backendsWithDemoEnv, type RouterProcess, startRouterProcess } from '../support/process';
import { startUpstream, type Upstream } from '../support/upstream';
import { answer, test as base, done, ended, expect, send } from './fixtures';

/** Only ends a failed test: OpenClaw starts and answers within half a minute, on a slow machine within two. */
const startMs = 180_000;

const test = base.extend<{ runtime: RealRuntime; upstream: Upstream }>({
  runtime: [realRuntime('openclaw'), { option: true }],

  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures from here.
  async upstream({}, use) {
    await using upstream = startUpstream();
    await use(upstream);
  },

  async router({ runtime }, use, info) {
    const image = await requireImage(runtime.recipe, `the real ${runtime.title} in a browser`);
    info.skip(image === undefined, `the image of ${runtime.title} is not there`);
    const demo = (await backendsWithDemoEnv({})).filter(({ name }) => name === 'demo');
    const backends = [...demo, realBackend(runtime, image ?? '')];
    await using router = await startRouterProcess({ backends, env: { DOCKER_HOST: engineHost } });
    try {
      await use(router);
    } finally {
      await router.kill('SIGTERM');
      await removeInstallation(router.installationId);
    }
  },
});

/** Makes a file in the workspace of the only container, as the container's user. */
async function touch(router: RouterProcess, file: string): Promise<void> {
  const label = [`agent-stack.installation=${router.installationId}`];
  const [container] = await docker.listContainers({ filters: { label } });
  if (!container) throw new Error('premise: the runtime runs');
  const path = `${container.Mounts[0]?.Destination}/workspace/${file}`;
  await runInside(docker.getContainer(container.Id), ['touch', path]);
}

for (const runtime of REAL_RUNTIMES) {
  test.describe(runtime.title, () => {
    test.use({ runtime });

    test(`sign up, choose ${runtime.title}, see it start and answer, and see its command run where it reports it`, async ({
      page,
      router,
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
      await expect(done(page)).toContainText('Saved');

      await page.getByRole('link', { name: new RegExp(`^${runtime.title}`) }).click();
      const badge = page.getByRole('button', { name: /^Runner/ });
      const gate = Promise.withResolvers<void>();
      upstream.script({ pieces: ['The first half,', gate.promise, ' and the second.'] });
      await send(page, 'Tell me something.', runtime.title);
      await expect(answer(page).getByRole('progressbar')).toBeVisible();
      await expect(badge).toContainText('waking up');
      await expect(answer(page)).toContainText('The first half,', { timeout: startMs });
      await expect(answer(page)).toHaveAttribute('data-status', 'streaming');
      gate.resolve();
      await ended(page, 'done');
      await expect(answer(page).locator('.prose')).toHaveText('The first half, and the second.');
      await expect(badge).toContainText('awake');

      const told = { uid: String(runtime.uid), folder: /\/workspace\b/ };
      upstream.script(runtime.shell('until [ -e go ]; do sleep 0.1; done; id -u; pwd'), {
        get pieces() {
          return ['It said:\n\n```\n', toolOutput(upstream).replaceAll('\\n', '\n'), '\n```\n'];
        },
      });
      await send(page, 'Who are you, and where?', runtime.title);
      const steps = answer(page).locator('.steps > li');
      const output = answer(page).locator('pre code');
      if (runtime.reportsTools) await expect(steps).toHaveText(/^Using \w+/);
      await touch(router, 'go');
      await ended(page, 'done');
      await expect(output).toContainText(told.uid);
      await expect(output).toContainText(told.folder);
      await expect(steps).toHaveCount(runtime.reportsTools ? 1 : 0);
      if (runtime.reportsTools) {
        await expect(steps).toHaveText(/^Used \w+/);
        await steps.locator('summary').click();
        await expect(steps.getByText('until [ -e go ]')).toBeVisible();
      }

      await page.reload();
      await expect(page.locator('article.user')).toHaveText([/Tell me something\./, /Who are you, and where\?/]);
      await expect(output).toContainText(told.folder);
      await expect(steps).toHaveCount(runtime.reportsTools ? 1 : 0);
    });
  });
}
