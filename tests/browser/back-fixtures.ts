/** Of the tests of going back: Chromium as its users have it, which keeps pages. */
import type { CDPSession, Page } from '@playwright/test';
import type { RouterProcess } from '../support/process';
import { test as base, ended, send, signIn } from './fixtures';
import config from './playwright.config';

/** Goes through the history, and says what became of the page: `kept`, or `loaded` and why. */
type Go = (delta: number) => Promise<string>;

const { launchOptions } = config.use ?? {};

export const test = base.extend<{ go: Go }>({
  launchOptions: { ...launchOptions, ignoreDefaultArgs: ['--disable-back-forward-cache'] },

  async go({ page, context }, use) {
    const cdp: CDPSession = await context.newCDPSession(page);
    await cdp.send('Page.enable');
    let reasons: string[] = [];
    cdp.on('Page.backForwardCacheNotUsed', ({ notRestoredExplanations }) => {
      reasons = notRestoredExplanations.map(({ reason }) => reason);
    });
    await page.addInitScript(() => {
      document.addEventListener('htmx:sse:after:connection', () => Object.assign(window, { isLive: true }));
      addEventListener('pageshow', (event) => {
        const { persisted } = event as PageTransitionEvent;
        Object.assign(window, { shown: persisted ? 'kept' : 'loaded' });
        // What a kept page shows, in each frame.
        const look = () => {
          const main = document.querySelector('.app main');
          if (main?.checkVisibility({ visibilityProperty: true })) sessionStorage.setItem('seen', location.pathname);
          if (persisted) requestAnimationFrame(look);
        };
        if (persisted) look();
      });
    });
    await use(async (delta) => {
      reasons = [];
      const { entries, currentIndex } = await cdp.send('Page.getNavigationHistory');
      const entry = entries[currentIndex + delta];
      if (!entry) throw new Error('The history has no such page.');
      await page.evaluate(() => Object.assign(window, { shown: 'left' })).catch(() => {});
      await cdp.send('Page.navigateToHistoryEntry', { entryId: entry.id });
      // In one step: a page that was kept may be about to load anew.
      const isShown = () => /kept|loaded/.exec((window as unknown as { shown: string }).shown)?.[0];
      const shown = String(await (await page.waitForFunction(isShown)).jsonValue());
      return reasons.length > 0 ? `${shown}: ${[...new Set(reasons)].sort().join(', ')}` : shown;
    });
  },
});

export const composer = (page: Page) => page.getByRole('textbox', { name: 'Message Demo' });
export const link = (page: Page, name: string | RegExp) => page.locator('#conversations').getByRole('link', { name });

/** Resolves when the stream of the page is open: a page that is left before that is loaded anew. */
export async function isLive(page: Page): Promise<void> {
  await page.waitForFunction(() => 'isLive' in window);
}

/** Begins conversations. @returns the address of the last one, which is open. */
export async function converse(
  page: Page,
  router: RouterProcess,
  texts: readonly string[],
  email: string = router.admin.email,
): Promise<string> {
  await signIn(page, router, { email });
  for (const text of texts) {
    await page.getByRole('link', { name: 'New conversation', exact: true }).click();
    await send(page, text);
    await ended(page, 'done');
  }
  await isLive(page);
  return page.url();
}
