/** What is in an answer besides its words: what the agent did for it, formulas, notes and tasks; and the file of it all. */
import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { answer, ended, expect, expectAccessible, expectNoOverflow, menuButton, send, signIn, test } from './fixtures';

const steps = (page: Page) => answer(page).locator('.steps > .step:visible');

test('what the agent does is seen while it does it, folds when it is over, and is the same after a reload', async ({
  page,
  router,
  starts,
}) => {
  await signIn(page, router);
  await send(page, 'echo first');
  await ended(page, 'done');
  await starts.hold('call_1');
  await starts.hold('call_2');
  await send(page, 'tools');
  const lines = steps(page).locator('summary');
  await expect(lines).toHaveText([/^Thought for \d/, 'Using list_files']);
  await expect(steps(page).nth(1).locator('details')).not.toHaveAttribute('open');
  await starts.release('call_1');
  await expect(lines).toHaveText([/^Thought for \d/, /^Used list_files \d/, 'Using count_lines']);
  await expect(steps(page).nth(2).locator('details')).not.toHaveAttribute('open');
  await starts.release('call_2');
  await ended(page, 'done');
  await expect(lines).toHaveText([/^Thought for \d/, /^Used list_files \d/, /^Used count_lines \d/]);
  await expect(answer(page).locator('.steps details[open]')).toHaveCount(0);

  const listing = steps(page).nth(1);
  await expect(listing.getByText('sessions/')).toBeHidden();
  await listing.locator('summary').focus();
  await page.keyboard.press('Enter');
  await expect(listing.getByText('"path": "~"')).toBeVisible();
  await expect(listing.getByText('sessions/')).toBeVisible();
  const live = await steps(page).locator('summary').allTextContents();
  await expectAccessible(page, 'timeline');
  await page.reload();
  expect(await steps(page).locator('summary').allTextContents()).toEqual(live);
  await expect(answer(page).locator('.steps details[open]')).toHaveCount(0);
});

test('a step that its reader has opened stays open, and keeps the focus, while the answer goes on', async ({
  page,
  router,
  starts,
}) => {
  await signIn(page, router);
  await starts.hold('call_2');
  await send(page, 'tools');
  const listing = steps(page).nth(1);
  await expect(listing).toContainText('Used list_files');
  await listing.locator('summary').click();
  await expect(listing.getByText('sessions/')).toBeVisible();
  await starts.release('call_2');
  await expect(steps(page).nth(2)).toContainText('Used count_lines');
  await ended(page, 'done');
  await expect(listing.locator('details')).toHaveAttribute('open');
  await expect(listing.locator('summary')).toBeFocused();
});

test('a call that changes stays unfolded and keeps the focus, and a thought that ends keeps its text', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  await send(page, 'tools 3');
  await ended(page, 'done');
  const thought = await answer(page).locator('.step .prose').textContent();
  await steps(page).nth(1).locator('summary').click();
  // As the stream brings them.
  await answer(page).evaluate(async (article) => {
    article.setAttribute('aria-busy', 'true');
    const [first, second] = article.querySelectorAll('.step');
    const changed = [first, second].map((step) => step?.cloneNode(true) as HTMLElement);
    changed[0]?.querySelector('.prose')?.replaceChildren();
    for (const step of changed) {
      step.querySelector('summary')?.append(' anew');
      step.querySelector('details')?.removeAttribute('open');
    }
    const live = document.querySelector('#live');
    const text = changed.map((step) => step.outerHTML).join('');
    const { htmx } = window as unknown as { htmx: { swap(event: object): Promise<void> } };
    await htmx.swap({ text, sourceElement: live, target: live, swap: 'none' });
  });
  await expect(steps(page)).toHaveText([/ anew/, / anew/, /^Used/, /^Used/]);
  expect(await answer(page).locator('.step .prose').textContent()).toBe(thought);
  await expect(steps(page).nth(1).locator('summary')).toBeFocused();
  await expect(answer(page).locator('.steps details[open]')).toHaveCount(1);
});

test('a step behind the line of many is found by a search in the page, which unfolds them', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  await send(page, 'tools 6');
  await ended(page, 'done');
  const line = answer(page).locator('.steps-fold');
  const result = answer(page).locator('.step').filter({ hasText: '24 lines' }).locator('pre').last();
  const height = () => answer(page).evaluate((one) => one.getBoundingClientRect().height);
  const folded = await height();
  const expectFound = async () => {
    await expect(result).toBeInViewport();
    await expect(steps(page)).toHaveCount(7);
    await expect(line.locator('details')).toHaveAttribute('open');
    await line.locator('summary').click();
    await expect(steps(page)).toHaveCount(0);
    expect(await height()).toBe(folded);
  };
  // An address that names what is hidden so, or its words, has the browser look for it as its search does.
  await result.evaluate((one) => {
    one.id = 'found';
    location.hash = one.id;
  });
  await expectFound();
  const { pathname } = new URL(page.url());
  await page.goto('about:blank');
  await page.goto(`${pathname}#:~:text=24%20lines`);
  await expectFound();
});

test('a thought is open while it grows, and an agent that is stopped meanwhile leaves what it thought', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  await send(page, `think ${'The user wants more. '.repeat(200)}`);
  const thought = steps(page).first();
  await expect(thought).toContainText('The user wants');
  await expect(thought.locator('summary')).toHaveText('Thinking…');
  await expect(thought.locator('details')).toHaveAttribute('open');
  await page.getByRole('button', { name: 'Stop answer' }).click();
  await ended(page, 'stopped');
  await thought.locator('summary').click();
  await expect(thought).toContainText('The user wants');
});

test('formulas, notes and tasks look the same when they have grown and when they are read again', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  const prose = answer(page).locator('.prose');
  for (const [message, selector, count] of [
    ['math', 'math', 7],
    ['footnotes', '.task input', 3],
  ] as const) {
    await send(page, message);
    await ended(page, 'done');
    await expect(prose.locator(selector)).toHaveCount(count);
    const live = await prose.innerHTML();
    await page.reload();
    expect(await prose.innerHTML()).toBe(live);
    await expectAccessible(page, message);
    await page.setViewportSize({ width: 320, height: 700 });
    await expectNoOverflow(page, message);
    await page.setViewportSize({ width: 1280, height: 720 });
  }
  await prose.getByRole('link', { name: '[1]' }).click();
  await expect(prose.locator('.footnote-item:target')).toContainText('Later ones find it running');
});

test('a conversation is exported to a file, and goes on from that file as another one', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, 'echo **kept**');
  await ended(page, 'done');
  await menuButton(page, 'Conversation options').click();
  const download = page.waitForEvent('download');
  await page.getByRole('menuitem', { name: 'Export as JSON' }).click();
  const file = await download;
  expect(file.suggestedFilename()).toBe('echo-kept.json');
  const content = await readFile(await file.path());

  await page.getByRole('link', { name: 'New conversation', exact: true }).click();
  const form = page.locator('.import');
  await form.locator('summary').click();
  const choose = page.getByLabel('File that was exported as JSON');
  const choice = { name: 'conversation.json', mimeType: 'application/json' };
  await choose.setInputFiles({ ...choice, buffer: Buffer.from('{"format":"another"}') });
  await form.getByRole('button', { name: 'Import' }).click();
  await expect(form.getByRole('alert')).toContainText('file/format: expected "agent-stack.conversation"');
  await expect(choose).toBeFocused();
  await expectAccessible(page, 'refused import');
  await choose.setInputFiles({ ...choice, buffer: content });
  await form.getByRole('button', { name: 'Import' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('echo kept');
  await expect(answer(page).locator('strong')).toHaveText('kept');
  await expect(page.locator('#conversations [data-at]')).toHaveCount(2);
});

for (const missing of ['ClipboardItem', 'navigator.clipboard'])
  test(`an answer is copied in browsers that have no ${missing}, and on pages by plain http`, async ({
    page,
    router,
  }) => {
    await page.addInitScript((name) => {
      if (name === 'ClipboardItem') Reflect.deleteProperty(window, name);
      else Object.defineProperty(navigator, 'clipboard', { value: undefined });
    }, missing);
    await signIn(page, router);
    await send(page, 'echo to be copied');
    await ended(page, 'done');
    await answer(page).getByRole('button', { name: 'Copy answer' }).click();
    await expect(answer(page).locator('[data-copied]')).toBeVisible();
    const composer = page.getByRole('textbox', { name: 'Message Demo' });
    await composer.press('Control+V');
    await expect(composer).toHaveValue(/to be copied/);
  });

test('messages are sent, and a page is read on, in a browser that keeps nothing for pages', async ({
  page,
  router,
}) => {
  await page.addInitScript(() => {
    const refuse = () => {
      throw new DOMException('Storage is blocked.', 'SecurityError');
    };
    for (const name of ['sessionStorage', 'localStorage']) Object.defineProperty(window, name, { get: refuse });
  });
  await signIn(page, router);
  await send(page, 'echo first');
  await ended(page, 'done');
  await send(page, 'echo second');
  await ended(page, 'done');
  await expect(page.getByRole('textbox', { name: 'Message Demo' })).toHaveValue('');
  await page.reload();
  await expect(page.locator('.bubble').last()).toHaveText('echo second');
  await expect(page.locator('.bubble').last()).toBeInViewport();
});
