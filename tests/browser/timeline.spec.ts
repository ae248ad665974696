/** How an answer comes about and how it ends: many steps are one line, and an answer that was cut says so. */
import type { Page } from '@playwright/test';
import {
  answer,
  ended,
  expect,
  expectAccessible,
  expectNoOverflow,
  htmxRuns,
  LOST_CONNECTION,
  send,
  signIn,
  test,
} from './fixtures';

const fold = (page: Page) => answer(page).locator('.steps-fold summary');
const rows = (page: Page) => answer(page).locator('.steps > .step:visible');
const note = (page: Page) => answer(page).locator('.note');
const goOn = (page: Page) => page.getByRole('button', { name: 'Continue' });

/** Notes how many rows the steps and their line take while there is that line and nothing is said. */
async function watchRows(page: Page): Promise<() => Promise<number[]>> {
  await page.evaluate(() => {
    const counts = new Set<number>();
    Object.assign(window, { counts });
    const look = () => {
      const steps = document.querySelector('article.answer[aria-busy] > .steps:has(> .steps-fold):has(+ .prose:empty)');
      if (steps) counts.add([...steps.children].filter((row) => row.checkVisibility()).length);
    };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
  return () => page.evaluate(() => [...(window as unknown as { counts: Set<number> }).counts]);
}

test('many tools take no more rows than a few, and are one line with the first words', async ({
  page,
  router,
  starts,
}) => {
  await signIn(page, router);
  await send(page, 'echo first');
  await ended(page, 'done');
  const counts = await watchRows(page);
  await starts.hold('call_12');
  await send(page, 'tools 12');
  await expect(fold(page)).toBeVisible();
  await expect(rows(page)).toHaveCount(3);
  await starts.release('call_12');
  await expect(answer(page).locator('.prose').last()).toContainText('I used');
  await expect(rows(page)).toHaveCount(0);
  await ended(page, 'done');
  // The line with the newest three below it, whichever of the states a busy machine shows.
  expect(await counts()).toEqual([4]);
  await expect(fold(page)).toHaveText(/^Used 12 tools · \d+ s · 1 failed$/);
  await expectAccessible(page, 'folded');

  const live = await fold(page).textContent();
  await page.reload();
  await expect(fold(page)).toHaveText(live ?? '');
  await expect(rows(page)).toHaveCount(0);
  await fold(page).focus();
  await page.keyboard.press('Enter');
  await expect(rows(page)).toHaveCount(13);
  const failed = rows(page).filter({ hasText: 'failed' });
  await expect(failed).toHaveText(/^Used count_lines [\d.]+ s · failed/);
  await failed.locator('summary').click();
  await expect(failed.getByText('There is no notes/10.md.')).toBeVisible();
  await expectAccessible(page, 'unfolded');
  await page.setViewportSize({ width: 320, height: 700 });
  await expectNoOverflow(page, 'unfolded');
  await fold(page).press('Enter');
  await expect(rows(page)).toHaveCount(0);
});

test('the line of many tools stays unfolded and keeps the focus while more of them come, and names what goes on', async ({
  page,
  router,
  starts,
}) => {
  await signIn(page, router);
  await starts.hold('call_8');
  await send(page, 'tools 12');
  await fold(page).click();
  await expect(fold(page)).toBeFocused();
  await expect(rows(page).first()).toContainText('Thought for');
  await expect(rows(page)).toHaveCount(9);
  const line = await fold(page).textContent();
  await starts.release('call_8');
  await expect(fold(page)).not.toHaveText(line ?? '');
  await expect(fold(page)).toBeFocused();
  await ended(page, 'done');
  await expect(fold(page)).toBeFocused();
  await expect(rows(page)).toHaveCount(13);
});

test('a step that is unfolded or has the focus stays when the steps become many, until the line is folded', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  await send(page, 'tools 3');
  await ended(page, 'done');
  await expect(rows(page)).toHaveCount(4);
  await rows(page).nth(1).locator('summary').click();
  await rows(page).nth(2).locator('summary').focus();
  // As the stream brings it with the fifth step, of an answer that has said something. A thought that goes on is open by itself.
  await answer(page)
    .locator('.steps')
    .evaluate((steps) => {
      const thought = steps.querySelector('.step');
      thought?.classList.add('growing');
      thought?.querySelector('details')?.setAttribute('open', '');
      steps.insertAdjacentHTML('afterbegin', '<li class="steps-fold"><details><summary>Many</summary></details></li>');
    });
  await expect(rows(page)).toHaveText([/^Used read_file/, /^Used count_lines/]);
  await expect(rows(page).nth(1).locator('summary')).toBeFocused();
  await fold(page).click();
  await expect(rows(page)).toHaveCount(4);
  await fold(page).click();
  await expect(rows(page)).toHaveCount(0);
});

test('what is unfolded opens below the line that was clicked', async ({ page, router }) => {
  await page.setViewportSize({ width: 1000, height: 500 });
  await signIn(page, router);
  await send(page, 'tools 20');
  await ended(page, 'done');
  const jump = page.getByRole('button', { name: 'Jump to latest' });
  await expect(jump).toBeHidden();
  const before = await fold(page).boundingBox();
  await fold(page).click();
  await expect(jump).toBeVisible();
  await expect(rows(page)).toHaveCount(21);
  expect((await fold(page).boundingBox())?.y).toBe(before?.y);
  await fold(page).click();
  await expect(jump).toBeHidden();
});

test('the unfolded line stays in view above its steps, and the focus is never below it', async ({ page, router }) => {
  await page.setViewportSize({ width: 1000, height: 500 });
  await signIn(page, router);
  await send(page, 'tools 20');
  await ended(page, 'done');
  await fold(page).click();
  await expect(rows(page)).toHaveCount(21);
  await rows(page).last().scrollIntoViewIfNeeded();
  const bottomOf = async (what: ReturnType<typeof fold>) => {
    const { y = 0, height = 0 } = (await what.boundingBox()) ?? {};
    return y + height;
  };
  await expect(fold(page)).toBeInViewport({ ratio: 1 });
  expect((await fold(page).boundingBox())?.y).toBeGreaterThanOrEqual(await bottomOf(page.locator('.title-bar')));
  await rows(page).nth(18).locator('summary').focus();
  for (let row = 17; row >= 4; row--) {
    await page.keyboard.press('Shift+Tab');
    const summary = rows(page).nth(row).locator('summary');
    await expect(summary).toBeFocused();
    expect((await summary.boundingBox())?.y).toBeGreaterThan(await bottomOf(fold(page)));
  }
});

test('an answer that was cut says why, and a button has the agent go on', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, 'length');
  await ended(page, 'done');
  await expect(note(page)).toHaveText('The answer was cut: it reached the limit of tokens.');
  await expect(page.getByRole('status').last()).toHaveText('Answer cut');
  await expectAccessible(page, 'cut');
  await page.reload();
  await expect(note(page)).toHaveText('The answer was cut: it reached the limit of tokens.');

  const composer = page.getByRole('textbox', { name: 'Message Demo' });
  await composer.fill('what I wanted to say next');
  await goOn(page).focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('article.user').last()).toContainText('Continue where you stopped.');
  await ended(page, 'done');
  await expect(answer(page)).toContainText('an answer comes out');
  // Only the newest answer goes on, and what was typed is still there.
  await expect(goOn(page)).toBeHidden();
  await expect(composer).toHaveValue('what I wanted to say next');
  await expect(composer).toBeFocused();

  await composer.fill('');
  await send(page, 'filter');
  await ended(page, 'done');
  await expect(note(page)).toContainText('Ask in other words.');
  await send(page, 'length call');
  await ended(page, 'done');
  await expect(rows(page)).toHaveText(/^Used write_file · cut/);
  await expect(note(page)).toContainText('The answer was cut');
});

test('a button that could not have the agent go on says why, and what was typed is still there', async ({
  page,
  router,
  context,
  allowComplaint,
}) => {
  allowComplaint(LOST_CONNECTION);
  allowComplaint(/status of 502/);
  await signIn(page, router);
  await send(page, 'length');
  await ended(page, 'done');
  const composer = page.getByRole('textbox', { name: 'Message Demo' });
  const error = page.locator('#composer-error');
  const unreachable = (await page.locator('#composer').getAttribute('data-unreachable')) ?? '';
  const refused = async (reason: string) => {
    await expect(error).toHaveText(reason);
    await expect(composer).toHaveValue('a draft');
    await expect(goOn(page)).toBeEnabled();
    await composer.fill('a draft');
    await expect(error).toBeEmpty();
  };
  await composer.fill('a draft');

  const messages = '**/messages';
  for (const [status, body, reason] of [
    [
      409,
      '<div id="composer"><textarea>No</textarea><p id="composer-error">The agent is busy.</p></div>',
      'The agent is busy.',
    ],
    [502, '<!doctype html><title>Bad gateway</title><h1>Bad gateway</h1>', unreachable],
  ] as const) {
    await page.route(messages, (route) => route.fulfill({ status, contentType: 'text/html', body }));
    await goOn(page).click();
    await refused(reason);
    await page.unroute(messages);
  }
  await context.setOffline(true);
  await goOn(page).click();
  await refused(unreachable);
  await context.setOffline(false);

  // The page is told later than the button that the message is sent.
  await page.route(messages, (route) => route.fulfill({ status: 204 }));
  await goOn(page).click();
  await expect(goOn(page)).toBeDisabled();
  await expect(composer).toHaveValue('a draft');
  await page.unroute(messages);

  await page.reload();
  await htmxRuns(page);
  await expect(composer).toHaveValue('a draft');
  await page.evaluate(() => Object.assign(window, { before: true }));
  await page.route(messages, (route) =>
    route.fulfill({ status: 404, contentType: 'text/html', body: '<h1>Gone</h1>' }),
  );
  await goOn(page).click();
  await page.waitForFunction(() => !('before' in window));
});

test.describe('without JavaScript', () => {
  test.use({ javaScriptEnabled: false });

  test('many tools are one line, and an answer that was cut goes on', async ({ page, router }) => {
    await signIn(page, router);
    await send(page, 'tools 6');
    await ended(page, 'done');
    await expect(rows(page)).toHaveCount(0);
    await fold(page).click();
    await expect(rows(page)).toHaveCount(7);
    await send(page, 'length');
    await ended(page, 'done');
    await goOn(page).click();
    await expect(page.locator('article.user').last()).toContainText('Continue where you stopped.');
    await ended(page, 'done');
    await expect(answer(page)).toContainText('an answer comes out');
  });
});
