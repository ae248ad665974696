/** Rules for whole pages: small size, an early stream, the sidebar of a phone, an agent that cannot start. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Route } from '@playwright/test';
import { ended, expect, send, signIn, test } from './fixtures';

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

  test('the sidebar opens over the page and leads on', async ({ page, router }) => {
    await signIn(page, router);
    await send(page, 'echo small screen');
    await ended(page, 'done');
    const sidebar = page.getByRole('navigation');
    await expect(sidebar).toBeHidden();
    await page.getByRole('button', { name: 'Open sidebar' }).tap();
    await expect(sidebar.getByRole('link', { name: 'echo small screen' })).toBeVisible();
    await page.getByRole('button', { name: 'Close sidebar' }).tap();
    await expect(sidebar).toBeHidden();
    await page.getByRole('button', { name: 'Open sidebar' }).tap();
    await sidebar.getByRole('link', { name: 'New conversation', exact: true }).tap();
    await expect(page).toHaveURL(/\/agents\//);
  });
});

test.describe('an agent whose platform is not there', () => {
  const folder = mkdtempSync(join(tmpdir(), 'agent-stack-engine-'));
  const socket = join(folder, 'docker.sock');
  test.use({ routerEnv: { DOCKER_HOST: `unix://${socket}` } });
  test.afterAll(() => rmSync(folder, { recursive: true }));

  test('says so in place of a composer, and is there without a reload when its platform is', async ({
    page,
    router,
  }) => {
    await signIn(page, router);
    const composer = page.getByRole('textbox', { name: 'Message OpenClaw' });
    await page.getByRole('link', { name: /^OpenClaw/ }).click();
    await expect(page.getByRole('status').getByText('This agent needs Docker')).toBeVisible();
    await expect(composer).toBeHidden();
    // A fake engine that only answers the ping.
    const engine = createServer((_asked, answer) => answer.end('OK')).listen(socket);
    await expect(composer).toBeVisible();
    await composer.fill('a draft');
    await new Promise((resolve) => {
      engine.close(resolve);
      engine.closeAllConnections();
    });
    await expect(composer).toBeHidden();
    createServer((_asked, answer) => answer.end('OK'))
      .listen(socket)
      .unref();
    await expect(composer).toHaveValue('a draft');
    await expect(composer).toBeVisible();
  });
});

test('a chat page weighs less than 60 KB over the wire, in HTML, styles and scripts', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, 'markdown');
  await ended(page, 'done');
  const client = await page.context().newCDPSession(page);
  await client.send('Network.enable');
  await client.send('Network.setCacheDisabled', { cacheDisabled: true });
  const kinds = new Map<string, string>();
  const bytes = new Map<string, number>();
  client.on('Network.responseReceived', ({ requestId, type }) => kinds.set(requestId, type));
  client.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => bytes.set(requestId, encodedDataLength));
  await page.reload({ waitUntil: 'load' });
  const counted = [...kinds].filter(([, kind]) => ['Document', 'Stylesheet', 'Script'].includes(kind));
  expect(counted.length).toBeGreaterThan(3);
  const total = counted.reduce((sum, [id]) => sum + (bytes.get(id) ?? Number.NaN), 0);
  expect(total).toBeLessThan(60_000);
});

test('a page is painted before its htmx comes, and then opens its live stream', async ({ page, router }) => {
  await page.route('**/htmx.js*', async (route) => {
    const isPainted = () => performance.getEntriesByName('first-contentful-paint').length > 0;
    await page.waitForFunction(isPainted, undefined, { polling: 10 });
    await route.continue();
  });
  const live = page.waitForRequest(/\/live/);
  await signIn(page, router);
  await live;
});

test('htmx runs behind the first frame of a page, also where the browser has it already', async ({ page, router }) => {
  await signIn(page, router);
  await page.addInitScript(() => {
    let isFramed = false;
    let htmx: unknown;
    requestAnimationFrame(() => {
      isFramed = true;
    });
    Object.defineProperty(window, 'htmx', {
      get: () => htmx,
      set(value) {
        htmx = value;
        Object.assign(window, { ranBehindFrame: isFramed });
      },
    });
  });
  const live = page.waitForRequest(/\/live/);
  await page.reload();
  await live;
  expect(await page.evaluate(() => (window as unknown as { ranBehindFrame: boolean }).ranBehindFrame)).toBe(true);
});

test('a page that is entered is painted before its script comes, and what the script places is shown in its place', async ({
  context,
  page,
  router,
}) => {
  await signIn(page, router);
  await send(page, `echo ${'A line.\n\n'.repeat(100)}`);
  await ended(page, 'done');
  const entered = await context.newPage();
  const isPainted = () => performance.getEntriesByName('first-contentful-paint').length > 0;
  const isVisible = (selector: string) => entered.locator(selector).isVisible();
  let seen: unknown;
  const look = async (route: Route) => {
    await entered.waitForFunction(isPainted, undefined, { polling: 10 });
    const [brand, messages, list] = await Promise.all(['.brand', '#messages', '#conversations'].map(isVisible));
    seen = { brand, messages, list };
    await route.continue();
  };
  await entered.route('**/app.js*', look, { times: 1 });
  await entered.goto(page.url());
  expect(seen).toEqual({ brand: true, messages: false, list: false });
  await expect(entered.locator('#messages')).toBeVisible();
  await expect(entered.locator('#conversations')).toBeVisible();
  await expect(entered.getByRole('textbox', { name: 'Message Demo' })).toBeFocused();
  const fromEnd = () => document.documentElement.scrollHeight - innerHeight - scrollY;
  expect(await entered.evaluate(fromEnd)).toBeLessThan(2);
  // From one of our pages, which is seen until then, the next one is painted whole.
  await entered.getByRole('link', { name: 'New conversation', exact: true }).click();
  await expect(entered.locator('html')).not.toHaveAttribute('data-entered');
  await expect(entered.locator('script[src*="app.js"]')).toHaveAttribute('blocking', 'render');
});

test('a browser that paints without waiting for the script hides until then what the script places', async ({
  page,
  router,
}) => {
  await page.addInitScript(() => {
    Reflect.deleteProperty(HTMLScriptElement.prototype, 'blocking');
    new MutationObserver((_, observer) => {
      if (!document.querySelector('#messages')) return;
      observer.disconnect();
      Object.assign(window, { cameUnplaced: 'unplaced' in document.documentElement.dataset });
    }).observe(document, { childList: true, subtree: true });
  });
  await signIn(page, router);
  await send(page, 'echo hello');
  await ended(page, 'done');
  await page.getByRole('link', { name: 'New conversation', exact: true }).click();
  await page.getByRole('link', { name: 'echo hello', exact: true }).click();
  await expect(page.locator('#messages')).toBeVisible();
  await expect(page.getByRole('textbox', { name: 'Message Demo' })).toBeFocused();
  expect(await page.evaluate(() => (window as unknown as { cameUnplaced: boolean }).cameUnplaced)).toBe(true);
  const visibilities = await page.evaluate(() => {
    document.documentElement.dataset.unplaced = '';
    return ['.brand', '.title-bar', '#messages', '#conversations'].map((selector) => {
      const one = document.querySelector(selector);
      return one && getComputedStyle(one).visibility;
    });
  });
  expect(visibilities).toEqual(['visible', 'visible', 'hidden', 'hidden']);
  // What the address names is focused as well, though it was hidden when the browser looked for it.
  await page.goto('/settings');
  await page.getByRole('button', { name: 'Save language' }).click();
  await expect(page.locator('#you-said')).toBeFocused();
});

for (const { what, scripts, answer } of [
  {
    what: 'when its script is missing',
    scripts: '**/app.js*',
    answer: (route: Route) => route.fulfill({ status: 404 }),
  },
  { what: 'when its script does not come', scripts: '**/app.js*', answer: () => {} },
  { what: 'where scripts are blocked', scripts: '**/*.js*', answer: (route: Route) => route.fulfill({ status: 403 }) },
]) {
  test(`a page that is entered is shown whole ${what}`, async ({ page, router }) => {
    await signIn(page, router);
    await page.route(scripts, answer);
    await page.goto('/search', { waitUntil: 'commit' });
    await expect(page.getByRole('searchbox')).toBeVisible();
    await expect(page.getByRole('link', { name: 'New conversation', exact: true })).toBeVisible();
  });
}

test('a page that is entered focuses the field that it is for', async ({ page, router }) => {
  await signIn(page, router);
  await page.goto('/search');
  await expect(page.getByRole('searchbox')).toBeFocused();
});
