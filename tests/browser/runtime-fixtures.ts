/** The parts of the browser tests of a real runtime: a router with it and the demo, and a scripted upstream. */

import type { Page } from '@playwright/test';
import { requireImage } from '../real/runtimes/image';
import { realBackend } from '../real/runtimes/people';
import { type RealRuntime, realRuntime } from '../real/runtimes/runtimes';
import { docker, engineHost, removeInstallation, runInside } from '../support/engine';
import { backendsWithDemoEnv, type RouterProcess, startRouterProcess } from '../support/process';
import { startUpstream, type Upstream } from '../support/upstream';
import { test as base, expect } from './fixtures';

/** Only ends a failed test: OpenClaw starts and answers within half a minute, on a slow machine within two. */
export const startMs = 180_000;

export const test = base.extend<{ runtime: RealRuntime; upstream: Upstream }>({
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

/** Sets the upstream on the page of settings, and that it is asked for no titles: it answers by a script. */
export async function setCredentials(page: Page, upstream: Upstream): Promise<void> {
  await page.goto('/settings');
  const titles = page.locator('form').filter({ has: page.getByLabel('My model names my conversations') });
  await titles.getByRole('checkbox').uncheck();
  await expect(titles.getByRole('status')).toHaveText(/Saved/);
  const card = page.locator('#credentials-all');
  await card.getByLabel('Base URL').fill(upstream.url);
  await card.getByLabel('API key').fill(upstream.key);
  await card.getByLabel('Model').fill('a-model');
  await card.getByRole('button', { name: 'Save credentials' }).click();
  // On the page that follows.
  await expect(titles.getByRole('status')).toBeEmpty();
  await expect(page.getByRole('status').filter({ hasText: 'Saved' }).first()).toBeVisible();
}

/** Makes a file in the workspace of the only container, as the container's user. */
export async function touch(router: RouterProcess, file: string): Promise<void> {
  const label = [`agent-stack.installation=${router.installationId}`];
  const [container] = await docker.listContainers({ filters: { label } });
  if (!container) throw new Error('premise: the runtime runs');
  const path = `${container.Mounts[0]?.Destination}/workspace/${file}`;
  await runInside(docker.getContainer(container.Id), ['touch', path]);
}
