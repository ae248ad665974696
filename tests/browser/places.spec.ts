/** The place at which a conversation is read is there again after a reload, and on the way back to a page that the browser has not kept. */
import type { Page } from '@playwright/test';
import type { RouterProcess } from '../support/process';
import { answer, ended, expect, numberedWords, restingPlace, send, signIn, test } from './fixtures';

const fromEnd = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollHeight - innerHeight - Math.round(scrollY));

/** The message at the top of the window, once the page rests. */
async function readAt(page: Page): Promise<{ id: string; top: number }> {
  await restingPlace(page);
  return page.evaluate(() => {
    const bar = document.querySelector('.title-bar')?.getBoundingClientRect().bottom ?? 0;
    const reaches = (one: Element) => one.getBoundingClientRect().bottom > bar;
    // What is out of view has no layout, and messages in it no place.
    const part = [...document.querySelectorAll('#messages > :is(.past, .message)')].find(reaches);
    const message = part?.matches('.past') ? [...part.children].find(reaches) : part;
    return { id: message?.id ?? '', top: message?.getBoundingClientRect().top ?? Number.NaN };
  });
}

/** A conversation of so many messages, as its reader sees it first. */
async function openLong(page: Page, router: RouterProcess, length: number): Promise<void> {
  const admin = await router.signIn();
  const messages = Array.from({ length }, (_, n) => ({
    role: n % 2 === 0 ? 'user' : 'assistant',
    content: `Message ${n + 1}.${'\n\nMore of it.'.repeat((n % 7) * 3)}`,
  }));
  const file = { format: 'agent-stack.conversation', version: 1, title: 'Long', messages };
  await signIn(page, router);
  const imported = await admin.request('/api/conversations/import?backend=demo', { method: 'POST', body: file });
  const { id } = (await imported.json()).conversation;
  await page.goto(`/conversations/${id}`);
  await expect.poll(() => fromEnd(page)).toBeLessThan(2);
}

test('what is read stays where it was, after a reload and on the way back', async ({ page, router }) => {
  await openLong(page, router, 80);
  await page.mouse.move(700, 400);
  for (let time = 0; time < 5; time++) {
    await page.mouse.wheel(0, -900);
    await restingPlace(page);
  }
  const before = await readAt(page);
  const isThere = async () => {
    const now = await readAt(page);
    return now.id === before.id && Math.abs(now.top - before.top) < 2;
  };
  await page.reload();
  await expect.poll(isThere).toBe(true);
  await expect(page.getByRole('button', { name: 'Jump to latest' })).toBeVisible();
  await page.goto('/usage');
  await page.goBack();
  await expect.poll(isThere).toBe(true);
  // By a link, it opens at its end.
  await page.getByRole('link', { name: 'New conversation', exact: true }).click();
  await page.getByRole('link', { name: 'Long', exact: true }).click();
  await expect(page).toHaveURL(/\/conversations\//);
  await expect.poll(() => fromEnd(page)).toBeLessThan(2);
});

test('who follows an answer follows it after a reload as well', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, `echo ${numberedWords(400)}`);
  await ended(page, 'done');
  await send(page, 'code 400');
  await expect(answer(page)).toContainText('// line 20');
  await page.reload();
  for (const line of [60, 100]) {
    await expect(answer(page)).toContainText(`// line ${line}`);
    await expect.poll(() => fromEnd(page)).toBeLessThan(2);
    await expect(page.getByRole('button', { name: 'Jump to latest' })).toBeHidden();
  }
});

test('an answer comes live in a browser that does not say how the page was opened', async ({ page, router }) => {
  await page.addInitScript(() => {
    performance.getEntriesByType = () => [];
  });
  await signIn(page, router);
  await send(page, 'echo first');
  await ended(page, 'done');
  await page.reload();
  await send(page, 'echo second');
  await ended(page, 'done');
});

test('what is read stays where it was also when the stream brings it anew', async ({ page, router }) => {
  await openLong(page, router, 12);
  await page.mouse.move(700, 400);
  await page.mouse.wheel(0, -900);
  const before = await readAt(page);
  await page.addInitScript(() => {
    addEventListener('load', async () => {
      const main = document.querySelector('main') as HTMLElement;
      for (const message of document.querySelectorAll('.message')) message.outerHTML = `${message.outerHTML}`;
      for (let frames = 0; frames < 5; frames++) {
        main.append(Object.assign(document.createElement('div'), { style: 'height: 10px' }));
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
      main.dataset.grown = '';
    });
  });
  await page.reload();
  await expect(page.locator('main[data-grown]')).toBeVisible();
  const after = await readAt(page);
  expect(after.id).toBe(before.id);
  expect(Math.abs(after.top - before.top)).toBeLessThan(2);
});

test('the way to the latest is there wherever a page opens but at its end', async ({ page, router }) => {
  await openLong(page, router, 12);
  const jump = page.getByRole('button', { name: 'Jump to latest' });
  await page.mouse.move(700, 400);
  await page.mouse.wheel(0, -20_000);
  await expect.poll(() => page.evaluate(() => scrollY)).toBe(0);
  await page.reload();
  await expect(jump).toBeVisible();
  expect(await restingPlace(page)).toBe(0);
  const last = await page.locator('.message').last().getAttribute('id');
  const { pathname } = new URL(page.url());
  await page.goto('/usage');
  await page.goto(`${pathname}#${last}`);
  await expect.poll(() => fromEnd(page)).toBeLessThan(2);
  await expect(jump).toBeHidden();
});

test('back from a note of an answer leads to where it was read', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, `echo First[^n].${'\n\nMore of it.'.repeat(60)}\n\n[^n]: The note.`);
  await ended(page, 'done');
  const note = answer(page).locator('sup a');
  for (const isReloaded of [false, true]) {
    await note.scrollIntoViewIfNeeded();
    const y = await restingPlace(page);
    if (isReloaded) await page.reload();
    expect(await restingPlace(page)).toBe(y);
    await note.click();
    await expect(page).toHaveURL(/#fn-/);
    await expect.poll(() => page.evaluate(() => scrollY)).toBeGreaterThan(y);
    await page.goBack();
    await expect(page).not.toHaveURL(/#/);
    await expect.poll(() => page.evaluate(() => scrollY)).toBe(y);
  }
});
