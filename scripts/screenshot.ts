/**
 * `bun scripts/screenshot.ts`: takes the screenshots of the README, below `docs/screenshots/`, of a real router in a real
 * Chromium. CHROMIUM_PATH is the path of the browser.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium, type Page } from '@playwright/test';
import { startRouterProcess } from '../tests/support/process';

const FOLDER = join(import.meta.dir, '../docs/screenshots');
const CLIENT = 'How do I connect an OpenAI client?';
const QUESTIONS = [CLIENT, 'How do I write a driver?', 'What is agent-stack?', 'Tools: show me how you use them.'];
const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 780 };
const WAIT_MS = 30_000;

async function ask(page: Page, text: string): Promise<void> {
  await page.locator('#composer-text').fill(text);
  await page.locator('#composer-actions button').click();
  const newest = page.locator('article.user').filter({ hasText: text });
  await newest.waitFor({ timeout: WAIT_MS });
  await page.locator('article.answer').last().and(page.locator('[data-status="done"]')).waitFor({ timeout: WAIT_MS });
}

async function shoot(page: Page, name: string): Promise<void> {
  await page.mouse.move(0, 0);
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: join(FOLDER, `${name}.png`), animations: 'disabled' });
}

async function setLanguage(page: Page, language: string): Promise<void> {
  await page.goto('/settings');
  await page.locator('#your-language').selectOption(language);
  await page.locator('form[action="/settings/you/language"] button').click();
  await page.locator('#you-said').waitFor();
}

await mkdir(FOLDER, { recursive: true });
await using router = await startRouterProcess({ env: { BOOTSTRAP_ADMIN_NAME: 'Ada' } });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH || '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
try {
  const page = await browser.newPage({ baseURL: router.url, viewport: WIDE, colorScheme: 'light' });
  await page.goto('/');
  await page.getByLabel('E-mail').fill(router.admin.email);
  await page.getByLabel('Password').fill(router.admin.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL((url) => url.pathname !== '/sign-in');
  await page.goto(router.url);
  for (const question of QUESTIONS) {
    await page.getByRole('link', { name: 'New conversation', exact: true }).click();
    await ask(page, question);
  }
  await ask(page, CLIENT);
  const conversation = page.url();
  await page.goto(conversation);
  await shoot(page, 'chat');
  await page.emulateMedia({ colorScheme: 'dark' });
  await shoot(page, 'chat-dark');
  await page.setViewportSize(PHONE);
  await page.goto(conversation);
  await shoot(page, 'phone-dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(WIDE);
  await page.goto('/agents');
  await page.locator('#agents a').first().click();
  await page.goto(`${new URL(page.url()).pathname.replace(/\/(settings|schedules|files|runner)$/, '')}/settings`);
  await shoot(page, 'agent');
  await page.goto('/settings');
  await shoot(page, 'settings');
  await setLanguage(page, 'zh');
  await page.goto('/');
  await page.getByRole('link', { name: '新对话', exact: true }).click();
  await ask(page, 'Tools: 请展示一下你怎么使用工具。');
  await shoot(page, 'chinese');
} finally {
  await browser.close();
}
