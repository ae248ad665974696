/** The real runtimes for a new user: each in a container of a real engine, with a scripted upstream. */
import { REAL_RUNTIMES } from '../real/runtimes/runtimes';
import { toolOutput } from '../real/runtimes/tool-call';
import { answer, ended, expect, send } from './fixtures';
import { setCredentials, startMs, test, touch } from './runtime-fixtures';

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

      await setCredentials(page, upstream);

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
