/** The focus stays where it is or goes to the composer, whatever the page does. stream.spec.ts has Stop and Answer again. */
import { answer, ended, expect, numberedWords, send, signIn, test } from './fixtures';

const NOTES = { name: 'notes.md', mimeType: 'text/markdown', buffer: Buffer.from('# Notes') };
const BINARY = { name: 'a.bin', mimeType: 'application/x', buffer: Buffer.from([0, 1]) };

test('after a jump to the end by keyboard the focus is in the composer', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, `echo ${numberedWords(900)}`);
  await ended(page, 'done');
  await page.mouse.move(600, 300);
  await page.mouse.wheel(0, -600);
  const jump = page.getByRole('button', { name: 'Jump to latest' });
  await expect(jump).toBeVisible();
  await jump.focus();
  await page.keyboard.press('Enter');
  await expect(jump).toBeHidden();
  await expect(page.locator('#composer-text')).toBeFocused();
});

test('files that are attached, and a message that is refused, leave the focus where it was', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  await send(page, 'echo hello');
  await ended(page, 'done');
  const attach = page.getByLabel('Attach files');
  await attach.focus();
  await attach.setInputFiles([NOTES, BINARY]);
  await expect(page.locator('#composer-chosen .chip')).toHaveCount(2);
  await expect(attach).toBeFocused();
  const composer = page.locator('#composer-text');
  await composer.fill('echo with files');
  await composer.press('Enter');
  await expect(page.getByRole('alert').filter({ hasText: 'a.bin' })).toBeVisible();
  await expect(composer).toBeFocused();
  await page.getByRole('button', { name: 'Send message' }).focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert').filter({ hasText: 'a.bin' })).toBeVisible();
  await expect(composer).toBeFocused();
});

test('after messages are deleted by keyboard the focus is in the composer', async ({ page, router }) => {
  await signIn(page, router);
  for (const text of ['echo one', 'echo two']) {
    await send(page, text);
    await ended(page, 'done');
  }
  await page.getByRole('button', { name: 'Delete from here on' }).last().focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(page.locator('article')).toHaveCount(2);
  await expect(answer(page)).toContainText('one');
  await expect(page.locator('#composer-text')).toBeFocused();
});

test('what another page does takes the focus from nothing', async ({ page, context, router }) => {
  await signIn(page, router);
  await send(page, 'echo one');
  await ended(page, 'done');
  const other = await context.newPage();
  await other.goto(page.url());
  const copy = page.getByRole('button', { name: 'Copy message' }).first();
  await copy.focus();
  await send(other, 'echo two');
  await ended(page, 'done');
  await expect(answer(page)).toContainText('two');
  await expect(copy).toBeFocused();
});
