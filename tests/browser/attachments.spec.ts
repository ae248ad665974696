/** Files in the composer: chosen, pasted, dropped, taken away again, and there after a reload. */
import type { Page } from '@playwright/test';
import { png } from '../support/files';
import { answer, ended, expect, expectAccessible, expectNoOverflow, send, signIn, test } from './fixtures';

const file = (name: string, mimeType: string, content: Uint8Array | string) => ({
  name,
  mimeType,
  buffer: Buffer.from(content),
});
const cat = file('cat.png', 'image/png', png(64, 48));
const notes = file('notes.md', 'text/markdown', '# Notes\n\nremember the milk');
const chips = (page: Page) => page.locator('#composer-chosen .chip');

/** What the clipboard or a drag brings, from inside the page. */
async function bring(page: Page, how: 'paste' | 'drop', given: ReturnType<typeof file>): Promise<void> {
  await page.evaluate(
    ([kind, name, type, base64]) => {
      const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], name, { type }));
      const target = document.querySelector('#composer-text');
      const event =
        kind === 'paste'
          ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })
          : new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true });
      target?.dispatchEvent(event);
    },
    [how, given.name, given.mimeType, given.buffer.toString('base64')] as const,
  );
}

test('files are chosen, pasted and dropped, shown before they are sent, and there after a reload', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  await page.getByLabel('Attach files').setInputFiles([notes]);
  await bring(page, 'paste', cat);
  await bring(page, 'drop', file('more.txt', 'text/plain', 'more'));
  await expect(chips(page)).toHaveText(['notes.md', 'cat.png', 'more.txt']);
  await expect(chips(page).nth(1).locator('img')).toBeVisible();
  await expectAccessible(page, 'chosen files');
  await send(page, 'echo look at these');
  await ended(page, 'done');
  await expect(answer(page)).toContainText('I got 3 files');
  await expect(answer(page)).toContainText('look at these');
  for (const reload of [false, true]) {
    if (reload) await page.reload();
    const message = page.locator('article.user').last();
    await expect(message.getByRole('img', { name: 'cat.png' })).toHaveJSProperty('naturalWidth', 64);
    await expect(message.getByRole('link', { name: 'notes.md' })).toBeVisible();
    await expect(chips(page)).toHaveCount(0);
  }
  await expectAccessible(page, 'a message with files');
  await page.setViewportSize({ width: 320, height: 640 });
  await expectNoOverflow(page, 'a message with files at 320 px');
});

test('in a conversation a file is taken away with the keyboard, and what is left is sent with Enter', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  await send(page, 'echo hello');
  await ended(page, 'done');
  await page.getByLabel('Attach files').setInputFiles([notes, cat]);
  await page.getByRole('button', { name: 'Remove notes.md' }).focus();
  await page.keyboard.press('Enter');
  await expect(chips(page)).toHaveText(['cat.png']);
  await expect(page.getByRole('button', { name: 'Remove cat.png' })).toBeFocused();
  await page.locator('#composer-text').focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('article.user')).toHaveCount(2);
  await ended(page, 'done');
  await expect(answer(page)).toContainText('I got a file');
  await expect(answer(page)).toContainText('cat.png');
  await expect(chips(page)).toHaveCount(0);
});

test('a file that is refused stays with the text, and the message is sent without it', async ({ page, router }) => {
  await signIn(page, router);
  await page.getByLabel('Attach files').setInputFiles([cat, file('a.bin', 'application/x', new Uint8Array([0, 1]))]);
  await page.locator('#composer-text').fill('echo with files');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert').filter({ hasText: 'a.bin' })).toContainText('neither a picture');
  await expect(page.locator('#composer-text')).toHaveValue('echo with files');
  await expect(chips(page)).toHaveText(['cat.png', 'a.bin']);
  await page.getByRole('button', { name: 'Remove a.bin' }).click();
  await page.locator('#composer-text').focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('article.user')).toHaveCount(1);
  await ended(page, 'done');
  await expect(answer(page)).toContainText('I got a file');
});

test('a picture in an answer is shown while it is written and after a reload, from this router', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  for (const how of ['image', 'image markdown']) {
    await send(page, how);
    await ended(page, 'done');
    const picture = answer(page).getByRole('img');
    await expect(picture).toHaveJSProperty('naturalWidth', 480);
    await page.reload();
    await expect(picture).toHaveJSProperty('naturalWidth', 480);
    await expect(answer(page)).toContainText('stored with this conversation');
  }
  await expectAccessible(page, 'an answer with a picture');
  await page.setViewportSize({ width: 320, height: 640 });
  await expectNoOverflow(page, 'an answer with a picture at 320 px');
});

test.describe('with small limits', () => {
  test.use({ routerEnv: { MAX_ATTACHMENT_BYTES: '2048', MAX_ATTACHMENTS: '2' } });

  test('what is too large or too much is said at once', async ({ page, router }) => {
    await signIn(page, router);
    await page.getByLabel('Attach files').setInputFiles([file('large.txt', 'text/plain', 'x'.repeat(3_000))]);
    await expect(page.locator('#composer-error')).toHaveText('The file "large.txt" is larger than 2 kB.');
    await page.getByLabel('Attach files').setInputFiles([notes, cat, file('c.txt', 'text/plain', 'c')]);
    await expect(page.locator('#composer-error')).toHaveText('A message has at most 2 files.');
    await expect(chips(page)).toHaveText(['notes.md', 'cat.png']);
  });
});

test.describe('without JavaScript', () => {
  test.use({ javaScriptEnabled: false });

  test('files are chosen with the plain input of the form', async ({ page, router }) => {
    await signIn(page, router);
    await page.getByLabel('Attach files').setInputFiles([notes, cat]);
    await page.getByRole('textbox', { name: 'Message Demo' }).fill('echo hello');
    await page.getByRole('button', { name: 'Send message' }).click();
    await ended(page, 'done');
    await expect(answer(page)).toContainText('I got 2 files');
    await expect(page.getByRole('img', { name: 'cat.png' })).toBeVisible();
  });
});
