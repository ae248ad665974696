/** A conversation, as a person has it. */
import type { Page } from '@playwright/test';
import { MARKDOWN } from '../../backends/demo/texts';
import {
  answer,
  ended,
  expect,
  LONG,
  LOST_CONNECTION,
  menuButton,
  numberedWords,
  send,
  signIn,
  test,
} from './fixtures';

/** Long enough for a page to be opened meanwhile on a busy machine. */
const WORDS = numberedWords(80);

/** Records every text that an answer shows while it grows, without white space. */
async function recordGrowth(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(() => {
    const seen: string[] = [];
    Object.assign(window, { seen });
    const look = () => {
      const text = document.querySelector('article.answer[aria-busy] > .prose')?.textContent ?? '';
      if (text.trim() !== '' && text !== seen.at(-1)) seen.push(text);
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    look();
  });
  return async () => {
    const seen = await page.evaluate(() => (window as unknown as { seen: string[] }).seen);
    return seen.map((text) => text.replace(/\s+/g, ''));
  };
}

/** No text was repeated or left out: each recorded text is a beginning of the whole. */
function expectGrowth(seen: readonly string[], whole: string): void {
  const text = whole.replace(/\s+/g, '');
  expect(seen.length).toBeGreaterThan(3);
  for (const one of seen) expect(text.startsWith(one), one).toBe(true);
}

test.describe('the first minute', () => {
  test('sign in, write, see the runner start, and read the answer as it streams', async ({
    page,
    router,
    context,
    starts,
  }) => {
    await starts.hold();
    await page.goto('/');
    await page.getByLabel('E-mail').fill(router.admin.email);
    await page.getByLabel('Password').fill('not the password');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expect(page.getByRole('alert')).toContainText('password is wrong');
    await expect(page.getByLabel('E-mail')).toHaveValue(router.admin.email);
    await page.getByLabel('Password').fill(router.admin.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('link', { name: 'New conversation', exact: true }).click();

    await expect(page.getByRole('textbox', { name: 'Message Demo' })).toBeFocused();
    await page.keyboard.type('markdown');
    await page.keyboard.press('Enter');
    await expect(page).toHaveURL(/\/conversations\//);
    await expect(answer(page).getByRole('progressbar')).toBeVisible();
    await expect(page.getByRole('button', { name: /^Runner/ })).toContainText('waking up');
    await starts.release();
    await expect(answer(page).getByRole('heading', { name: 'Everything Markdown can do' })).toBeVisible();
    await ended(page, 'done');
    await expect(page.getByRole('button', { name: /^Runner/ })).toContainText('awake');
    await expect(page.getByRole('status').last()).toHaveText('Answer finished');
    await expect(answer(page).locator('table')).toBeVisible();
    await expect(answer(page).locator('pre code .hljs-keyword').first()).toBeVisible();
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await answer(page).getByRole('button', { name: 'Copy answer' }).click();
    await expect(answer(page).locator('[data-copied]')).toBeVisible();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(MARKDOWN);

    const shown = await answer(page).locator('.prose').innerHTML();
    await page.reload();
    expect(await answer(page).locator('.prose').innerHTML()).toBe(shown);
    await expect(page.getByRole('link', { name: 'markdown', exact: true })).toHaveAttribute('aria-current', 'page');
  });
});

test('law 17: an answer goes on after a reload, without repeating or losing a word', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, `slow ${WORDS}`);
  await expect(answer(page)).toContainText('w14');
  await page.reload();
  const growth = await recordGrowth(page);
  await ended(page, 'done');
  expectGrowth(await growth(), WORDS);
  const prose = answer(page).locator('.prose');
  const shown = await prose.innerHTML();
  await expect(prose).toHaveText(WORDS.replace(/\s+/g, ' '));
  await page.reload();
  expect(await prose.innerHTML()).toBe(shown);
});

test('a second tab sees the same answer grow', async ({ page, context, router }) => {
  await signIn(page, router);
  await send(page, `slow ${WORDS}`);
  await expect(answer(page)).toContainText('w2');
  const other = await context.newPage();
  await other.goto(page.url());
  const growth = [await recordGrowth(page), await recordGrowth(other)];
  await ended(page, 'done');
  await ended(other, 'done');
  for (const one of growth) expectGrowth(await one(), WORDS);
  await send(other, 'echo from the other tab');
  await expect(page.locator('article.user').last()).toHaveText(/from the other tab/);
  await ended(page, 'done');
  await expect(answer(page)).toContainText('from the other tab');
});

test('Stop ends an answer and keeps the text so far', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, LONG);
  await expect(answer(page)).toContainText('word word');
  await page.getByRole('button', { name: 'Stop answer' }).click();
  await ended(page, 'stopped');
  await expect(answer(page)).toContainText('You stopped this answer.');
  await expect(answer(page)).toContainText('word word');
  await expect(page.getByRole('button', { name: 'Send message' })).toBeVisible();
});

test('a failed answer says why, and Try again asks again', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, 'fail');
  await ended(page, 'failed');
  await expect(answer(page)).toContainText('The demo agent failed, as you asked.');
  const failed = await answer(page).getAttribute('id');
  await answer(page).getByRole('button', { name: 'Try again' }).click();
  await expect(page.locator(`#${failed}`)).toHaveCount(0);
  await ended(page, 'failed');
  await expect(page.locator('article.answer')).toHaveCount(1);
  await send(page, 'echo better now');
  await ended(page, 'done');
  await expect(answer(page)).toContainText('better now');
  // Only the last answer can be asked for again.
  await expect(page.getByRole('button', { name: 'Try again' })).toHaveCount(0);
});

test('an agent that crashes in the middle leaves its text and the reason; the next message starts it again', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  await send(page, 'crash');
  await ended(page, 'failed');
  await expect(answer(page)).toContainText('A runner is the live execution');
  await expect(page.getByRole('button', { name: /^Runner/ })).toContainText('failed');
  await send(page, 'echo alive');
  await ended(page, 'done');
  await expect(page.getByRole('button', { name: /^Runner/ })).toContainText('awake');
});

test('a conversation is renamed and deleted, and another one begun', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, 'echo first');
  await ended(page, 'done');
  await page.getByRole('link', { name: 'New conversation', exact: true }).click();
  await send(page, 'echo second');
  await ended(page, 'done');
  const titles = page.locator('#conversations [data-at] .ellipsis');
  await expect(titles).toHaveText(['echo second', 'echo first']);

  await menuButton(page, 'Conversation options').click();
  await page.getByRole('menuitem', { name: 'Rename' }).click();
  await page.getByLabel('Title').fill('Another name');
  await page.getByRole('button', { name: 'Rename' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Another name');
  await expect(titles.first()).toHaveText('Another name');

  await menuButton(page, 'Conversation options').click();
  await page.getByRole('menuitem', { name: 'Delete conversation' }).click();
  await expect(titles).toHaveText(['echo first']);
});

test('law 17: an open page reconnects by itself after the router was killed, and shows the interrupted answer', async ({
  page,
  router,
  allowComplaint,
}) => {
  allowComplaint(LOST_CONNECTION);
  await signIn(page, router);
  await send(page, `slow ${WORDS}`);
  await expect(answer(page)).toContainText('w12');
  await router.kill('SIGKILL');
  await router.start();
  await ended(page, 'failed');
  await expect(answer(page)).toContainText('was interrupted');
  await expect(answer(page)).toContainText('w1 w2');
  await send(page, 'echo and on we go');
  await ended(page, 'done');
  await expect(answer(page)).toContainText('and on we go');
});

test('a text that comes near to the limit says its length, and beyond it is not sent but kept', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  const composer = page.getByRole('textbox', { name: 'Message Demo' });
  const length = page.locator('#composer-text-length');
  await composer.fill('x'.repeat(179_999));
  await expect(length).toBeHidden();
  await composer.fill('x'.repeat(180_000));
  await expect(length).toHaveText('180,000 of at most 200,000 characters');
  await composer.fill('x'.repeat(200_012));
  await expect(length).toHaveText('Too long by 12: a message has at most 200,000 characters.');
  await composer.press('Enter');
  expect(await composer.evaluate((area: HTMLTextAreaElement) => area.validationMessage)).toContain('Too long by 12');
  await page.getByRole('button', { name: 'Send message' }).click();
  await expect(composer).toHaveValue('x'.repeat(200_012));
  await page.reload();
  await expect(length).toContainText('Too long by 12');
  await send(page, 'echo short');
  await ended(page, 'done');
  await expect(length).toBeHidden();

  await page.getByRole('link', { name: 'Edit' }).click();
  const edit = page.getByRole('textbox', { name: 'Your message' });
  await edit.fill('x'.repeat(200_001));
  await expect(page.locator('.edit-form .length-note')).toContainText('Too long by 1:');
  await page.getByRole('button', { name: 'Send again' }).click();
  await expect(edit).toBeVisible();
});
