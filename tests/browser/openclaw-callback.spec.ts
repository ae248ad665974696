/** The real OpenClaw speaks without being asked: by the command of its seed, on open pages. */
import { sayCommand } from '../real/runtimes/callback';
import { answer, ended, expect, send, signIn } from './fixtures';
import { setCredentials, startMs, test, touch } from './runtime-fixtures';

test('asked to, its agent writes into the open page, and marks a conversation that no page shows', async ({
  page,
  router,
  upstream,
  runtime,
}) => {
  test.setTimeout(3 * startMs);
  await signIn(page, router);
  await setCredentials(page, upstream);

  await page.getByRole('link', { name: /^OpenClaw/ }).click();
  const gate = Promise.withResolvers<void>();
  const end = { pieces: [gate.promise, 'I told you.'] };
  upstream.script(runtime.shell(await sayCommand(runtime, "'The build is **done**.'")), end);
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
  const later = await sayCommand(runtime, `--conversation ${conversation} 'It is shipped.'`);
  const command = `(while ! test -e shipped; do sleep 0.2; done; ${later}) >/dev/null 2>&1 &`;
  upstream.script(runtime.shell(command), { pieces: ['I will tell you.'] });
  await send(page, 'Ship it, and tell me.', 'OpenClaw');
  await expect(answer(page)).toContainText('I will tell you.', { timeout: startMs });
  await ended(page, 'done');
  await page.getByRole('link', { name: /^Demo/ }).first().click();
  const link = page.locator('#conversations').getByRole('link', { name: /^Build it, and tell me\./ });
  await expect(link).not.toContainText('unread');
  await touch(router, 'shipped');
  await expect(link).toContainText('unread', { timeout: startMs });
  await link.click();
  await expect(answer(page)).toContainText('It is shipped.');
  await expect(link).not.toContainText('unread');
});
