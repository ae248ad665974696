/** Nothing on a page moves by itself: not while it loads, nor while an answer comes, nor when the sidebar opens. */
import type { Page } from '@playwright/test';
import { answer, ended, expect, send, signIn, standsStill, test } from './fixtures';

interface Shift extends PerformanceEntry {
  readonly value: number;
  /** The reader has done something half a second before, which may move parts. */
  readonly hadRecentInput: boolean;
  readonly sources: { readonly node: Node | null }[];
}

/** Notes in every document what moves by itself: how far, and what it says. */
async function watchShifts(page: Page): Promise<() => Promise<string[]>> {
  await page.addInitScript(() => {
    const shifts: string[] = [];
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      for (const { value, hadRecentInput, sources } of list.getEntries() as Shift[]) {
        const moved = sources.map(({ node }) => `${node?.nodeName} ${node?.textContent?.slice(0, 40)}`);
        // The state of the runner is one word, which moves the name beside it by less.
        if (!hadRecentInput && value > 0.001) shifts.push(`${value.toFixed(4)}: ${moved.join(', ')}`);
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
  return async () => {
    await standsStill(page);
    return page.evaluate(() => (window as unknown as { shifts: string[] }).shifts);
  };
}

for (const [name, viewport] of [
  ['desktop', { width: 1280, height: 800 }],
  ['phone', { width: 360, height: 740 }],
] as const) {
  test.describe(name, () => {
    test.use({ viewport });

    test('no part of a page moves by itself, from a cold start to a reload', async ({ page, router, starts }) => {
      test.slow();
      await starts.hold();
      const shifts = await watchShifts(page);
      await signIn(page, router);
      expect(await shifts()).toEqual([]);
      await send(page, 'tools');
      await expect(answer(page).getByRole('progressbar')).toBeVisible();
      await starts.release();
      for (const text of ['think', 'math', 'table 10', 'code 10', 'image']) {
        await ended(page, 'done');
        await send(page, text);
      }
      await ended(page, 'done');
      await expect(answer(page).locator('.picture img')).toBeVisible();
      expect(await shifts()).toEqual([]);
      await page.reload();
      await expect(answer(page).locator('.picture img')).toBeInViewport();
      expect(await shifts()).toEqual([]);
      if (name === 'phone') await page.getByRole('button', { name: 'Open sidebar' }).click();
      await expect(page.locator('#conversations [aria-current="page"]')).toBeInViewport();
      expect(await shifts()).toEqual([]);
    });
  });
}
