/** An answer that grows before its reader: what is followed, what stays selected, and what other tabs show. */
import type { Page, Route } from '@playwright/test';
import {
  answer,
  ended,
  expect,
  LONG,
  LOST_CONNECTION,
  menuButton,
  numberedWords,
  restingPlace,
  send,
  signIn,
  standsStill,
  test,
} from './fixtures';

const fromEnd = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollHeight - innerHeight - Math.round(scrollY));

/** Adds up how far elements moved that nobody moved. */
async function watchShifts(page: Page): Promise<() => Promise<number>> {
  await page.evaluate(() => {
    const seen = { shift: 0 };
    Object.assign(window, { seen });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) seen.shift += (entry as unknown as { value: number }).value;
    }).observe({ type: 'layout-shift' });
  });
  return () => page.evaluate(() => (window as unknown as { seen: { shift: number } }).seen.shift);
}

/** Selects words of the answer, as a reader does with a mouse. */
async function select(page: Page, words: string): Promise<void> {
  await page.evaluate((wanted) => {
    const texts = document.createTreeWalker(document.querySelector('article.answer:last-child .prose') as Node, 4);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      const at = text.textContent?.indexOf(wanted) ?? -1;
      if (at >= 0) return getSelection()?.setBaseAndExtent(text, at, text, at + wanted.length);
    }
    throw new Error(`There is no ${wanted}`);
  }, words);
}

const selected = (page: Page) => page.evaluate(() => getSelection()?.toString());

test('300 lines of code, one every 40 ms, are followed to their end, without a shift, and what is selected stays', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  await send(page, 'code 300');
  await expect(answer(page)).toContainText('// line 5');
  const shifts = await watchShifts(page);
  await select(page, "'question 3'");
  await expect(answer(page)).toContainText('// line 60');
  expect(await selected(page)).toBe("'question 3'");
  await ended(page, 'done');
  await expect(answer(page)).toContainText('// line 300');
  expect(await selected(page)).toBe("'question 3'");
  await expect.poll(() => fromEnd(page)).toBeLessThan(2);
  expect(await shifts()).toBeLessThan(0.001);
});

test('what is selected in a block of code stays when the block gets its colours', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, 'code 150');
  await expect(answer(page)).toContainText('// line 8');
  await expect(answer(page).locator('.hljs-keyword')).toHaveCount(0);
  await select(page, 'await ask(agent');
  await expect(answer(page).locator('.hljs-keyword').first()).toBeVisible();
  await ended(page, 'done');
  expect(await selected(page)).toBe('await ask(agent');
});

test('the reader ends the following by scrolling up, and begins it at the end or by sending', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  await send(page, 'code 200');
  await expect(answer(page)).toContainText('// line 50');
  await page.mouse.move(600, 300);
  await page.mouse.wheel(0, -300);
  const jump = page.getByRole('button', { name: 'Jump to latest' });
  await expect(jump).toBeVisible();
  const y = await restingPlace(page);
  await expect(answer(page)).toContainText('// line 100');
  expect(await page.evaluate(() => scrollY)).toBe(y);
  await jump.click();
  await expect(jump).toBeHidden();
  await expect(page.getByRole('textbox', { name: 'Message Demo' })).toBeFocused();
  await expect(answer(page)).toContainText('// line 150');
  await expect.poll(() => fromEnd(page)).toBeLessThan(2);
  await ended(page, 'done');
  await page.mouse.wheel(0, -800);
  await expect(jump).toBeVisible();
  await send(page, 'list 5');
  await expect(jump).toBeHidden();
  await ended(page, 'done');
  await expect.poll(() => fromEnd(page)).toBeLessThan(2);
});

test('after Stop and Answer again the focus is in the composer', async ({ page, router }) => {
  await signIn(page, router);
  const composer = page.getByRole('textbox', { name: 'Message Demo' });
  await send(page, LONG);
  await page.getByRole('button', { name: 'Stop answer' }).click();
  await ended(page, 'stopped');
  await expect(composer).toBeFocused();
  const stopped = await answer(page).getAttribute('id');
  await answer(page).getByRole('button', { name: 'Answer again' }).click();
  await expect(page.locator(`#${stopped}`)).toHaveCount(0);
  await expect(composer).toBeFocused();
});

test('tabs agree: a new conversation, its name, its answer, and that it is deleted, with the way out', async ({
  page,
  context,
  router,
}) => {
  await signIn(page, router);
  const other = await context.newPage();
  await other.goto(page.url());
  const titles = '#conversations [data-at] .ellipsis';
  const links = other.locator(titles);
  await send(page, 'echo one');
  await ended(page, 'done');
  await expect(links).toHaveText(['echo one']);
  await page.getByRole('link', { name: 'New conversation', exact: true }).click();
  await send(page, 'echo two');
  await ended(page, 'done');
  await expect(links).toHaveText(['echo two', 'echo one']);
  await links.last().click();
  await expect(other.getByRole('heading', { level: 1 })).toHaveText('echo one');
  await send(other, 'echo again');
  await expect(page.locator(titles)).toHaveText(['echo one', 'echo two']);

  await other.getByRole('link', { name: 'echo two' }).click();
  const conversation = page.url();
  await menuButton(page, 'Conversation options').click();
  await page.getByRole('menuitem', { name: 'Rename' }).click();
  await page.getByLabel('Title').fill('Another name');
  await page.getByRole('button', { name: 'Rename' }).click();
  await expect(other.getByRole('heading', { level: 1 })).toHaveText('Another name');
  await menuButton(page, 'Conversation options').click();
  await page.getByRole('menuitem', { name: 'Delete conversation' }).click();
  await page.waitForURL((url) => url.href !== conversation);
  await expect(other.getByText('This conversation was deleted.')).toBeVisible();
  await expect(links).toHaveText(['echo one']);
  await other.locator('#conversation-gone').getByRole('button', { name: 'Undo' }).click();
  await expect(other.getByRole('textbox', { name: 'Message Demo' })).toBeVisible();
  await expect(links).toHaveText(['echo one', 'Another name']);
  await page.goto(conversation);
  await menuButton(page, 'Conversation options').click();
  await page.getByRole('menuitem', { name: 'Delete conversation' }).click();
  await other.locator('#conversation-gone').getByRole('link', { name: 'New conversation with Demo' }).click();
  await expect(other.getByRole('textbox', { name: 'Message Demo' })).toBeFocused();
});

test('a page that lost its stream while an answer grew comes back and gets the rest, and nothing twice', async ({
  page,
  context,
  router,
  allowComplaint,
}) => {
  allowComplaint(LOST_CONNECTION);
  const words = numberedWords(60);
  await signIn(page, router);
  await send(page, `slow ${words}`);
  await expect(answer(page)).toContainText('w10');
  const isBack = page.waitForRequest((one) => one.url().includes('/live') && 'last-event-id' in one.headers());
  await context.setOffline(true);
  // Ends the stream as a hidden tab does: Chromium leaves open what was open before it is offline.
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, value: true });
    document.dispatchEvent(new Event('visibilitychange'));
    Object.defineProperty(document, 'hidden', { configurable: true, value: false });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await isBack;
  await context.setOffline(false);
  await ended(page, 'done');
  await expect(answer(page).locator('.prose')).toHaveText(words.replace(/\s+/g, ' '));
});

test('a page that is opened in the background has no stream of its own until somebody looks at it, and then shows what came', async ({
  page,
  context,
  router,
}) => {
  await signIn(page, router);
  await send(page, 'echo first');
  await ended(page, 'done');
  const behind = await context.newPage();
  await behind.addInitScript(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, value: true });
  });
  const streams: string[] = [];
  behind.on('request', (one) => one.url().includes('conversation=') && streams.push(one.url()));
  await behind.goto(page.url());
  await send(page, 'echo second');
  await expect(answer(page)).toContainText('second');
  await ended(page, 'done');
  expect(streams).toEqual([]);
  await expect(behind.locator('article.answer')).toHaveCount(1);
  await behind.evaluate(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, value: false });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await expect(behind.locator('article.answer')).toHaveText([/first/, /second/]);
  expect(streams).toHaveLength(1);
});

test('a page that is hidden while it asks for its stream has none until it is looked at again', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  await send(page, 'echo first');
  await ended(page, 'done');
  const hide = (isHidden: boolean) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { configurable: true, value });
      document.dispatchEvent(new Event('visibilitychange'));
    }, isHidden);
  const asksFirst = () => page.reload();
  const asksAgain = async () => {
    await hide(true);
    await hide(false);
  };
  // Hidden pages share another stream.
  const ofPage = /\/live\?.*conversation=/;
  for (const asks of [asksFirst, asksAgain]) {
    const held = Promise.withResolvers<void>();
    const hold = async (route: Route) => {
      await held.promise;
      await route.continue();
    };
    await page.route(ofPage, hold, { times: 1 });
    const asked = page.waitForRequest(ofPage);
    await asks();
    const request = await asked;
    await hide(true);
    const isOver = page.waitForEvent('requestfailed', (one) => one === request);
    held.resolve();
    await isOver;
    const again = page.waitForRequest(ofPage);
    await hide(false);
    await again;
    await send(page, 'echo next');
    await ended(page, 'done');
  }
  await expect(page.locator('article.answer')).toHaveText([/first/, /next/, /next/]);
});

test('the page follows its answers also when older ones are out of layout', async ({ page, router }) => {
  await signIn(page, router);
  const fromEnd = () =>
    page.evaluate(() => Math.abs(document.documentElement.scrollHeight - innerHeight - Math.round(scrollY)) < 3);
  const follows = async (text: string) => {
    await expect.poll(fromEnd, `after ${text}`).toBe(true);
    await expect(page.locator('#jump')).toBeHidden();
  };
  for (const text of ['tools', 'image', 'math', 'markdown', 'echo a', 'math', 'code', 'image', 'echo b', 'echo c']) {
    await send(page, text);
    await ended(page, 'done');
    await follows(text);
  }
  // Each of these takes another message that is larger than the browser would guess out of layout.
  for (let time = 0; time < 2; time += 1) {
    await send(page, 'slow');
    await expect(answer(page)).toContainText('A runner is');
    await page.keyboard.press('Escape');
    await ended(page, 'stopped');
    await follows('stopped');
    await send(page, 'fail');
    await ended(page, 'failed');
    await follows('fail');
  }
});

test('earlier messages come in above what is read, which stays in place, and what is deleted leaves no gap', async ({
  page,
  context,
  router,
}) => {
  const messages = Array.from({ length: 120 }, (_, n) => ({
    role: n % 2 === 0 ? 'user' : 'assistant',
    content: `Message ${n + 1}.${'\n\nMore of it.'.repeat(n % 5)}`,
  }));
  const admin = await router.signIn();
  const file = { format: 'agent-stack.conversation', version: 1, title: 'Long', messages };
  await signIn(page, router);
  const imported = await admin.request('/api/conversations/import?backend=demo', { method: 'POST', body: file });
  const { id } = (await imported.json()).conversation;
  await page.goto(`/conversations/${id}`);
  const bottom = page.locator('.message').last();
  await expect(bottom).toBeInViewport();
  for (const count of [100, 120]) {
    const read = await page.evaluateHandle(() => document.querySelector('.message'));
    const before = await page.evaluate(async (first) => {
      scrollTo(0, 0);
      let y = Number.NaN;
      while (first === document.querySelector('.message')) {
        y = first?.getBoundingClientRect().y ?? y;
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
      return y;
    }, read);
    await expect(page.locator('.message')).toHaveCount(count);
    await standsStill(page);
    const after = await read.asElement()?.boundingBox();
    expect(Math.abs((after?.y ?? Number.NaN) - before)).toBeLessThan(2);
  }
  await expect(page.locator('#messages > .message')).toHaveCount(10);

  const other = await context.newPage();
  await other.goto(page.url());
  const from = other.locator('.message').filter({ hasText: 'Message 91.' });
  await from.getByRole('button', { name: 'Delete from here on' }).click();
  await from.getByRole('dialog').getByRole('button', { name: 'Delete from here on' }).click();
  await expect(page.locator('.message')).toHaveCount(90);
  await expect(page.locator('#messages > :last-child')).toContainText('Message 90.');
  await send(page, 'echo the next');
  await ended(page, 'done');
  await expect(bottom).toContainText('the next');
});
