/**
 * `bun scripts/screenshot.ts`: takes the screenshot of the README, `docs/screenshot.png`, of a real router in a real
 * Chromium. CHROMIUM_PATH is the path of the browser.
 */
import { join } from 'node:path';
import { chromium, type Page } from '@playwright/test';
import { startRouterProcess } from '../tests/support/process';

const QUESTIONS = [
  'How do I connect an OpenAI client?',
  'How do I write a driver?',
  'What is agent-stack?',
  'Tools: show me how you use them.',
];
const WAIT_MS = 30_000;

async function ask(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Message Demo' }).fill(text);
  await page.getByRole('button', { name: 'Send message' }).click();
  const newest = page.locator('article.user').filter({ hasText: text });
  await newest.waitFor({ timeout: WAIT_MS });
  await page.locator('article.answer').last().and(page.locator('[data-status="done"]')).waitFor({ timeout: WAIT_MS });
}

await using router = await startRouterProcess({ env: { BOOTSTRAP_ADMIN_NAME: 'Ada' } });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH || '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: 'light' });
  await page.goto(router.url);
  await page.getByLabel('E-mail').fill(router.admin.email);
  await page.getByLabel('Password').fill(router.admin.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  for (const question of QUESTIONS) {
    await page.getByRole('link', { name: 'New conversation', exact: true }).click();
    await ask(page, question);
  }
  await page.mouse.move(0, 0);
  await page.screenshot({ path: join(import.meta.dir, '../docs/screenshot.png'), animations: 'disabled' });
} finally {
  await browser.close();
}
