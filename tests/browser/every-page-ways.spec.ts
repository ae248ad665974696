/** Every page by keyboard alone, and without scripts. How they look is in every-page.spec.ts. */
import type { Page } from '@playwright/test';
import { visits, walk } from './every-page';
import { furnish } from './every-page-place';
import { beyondEdge, expect, test } from './fixtures';

/** Beyond these, a list is walked as its beginning is. */
const STOPS_MAX = 120;
const AS_LOADED = visits.filter(([, { open }]) => !open);

// Each takes a minute, and needs nothing of the other.
test.describe.configure({ mode: 'parallel' });
test.use({ contextOptions: { reducedMotion: 'reduce' } });

interface Walk {
  readonly left: Set<Element>;
  readonly unseen: string[];
}

/** What can be used with a pointer and is not reached by Tab, or does not show that it has the focus. */
async function unreached(page: Page): Promise<string[]> {
  const count = await page.evaluate((most) => {
    const usable = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]';
    const all = [...document.querySelectorAll(usable)].filter(
      (one) => one.checkVisibility({ visibilityProperty: true }) && !one.matches(':disabled'),
    );
    // Of a group of which one is chosen, the arrows lead to the others.
    const stops = all.filter((one) => !(one instanceof HTMLInputElement && one.type === 'radio' && !one.checked));
    Object.assign(window, { left: new Set(stops.slice(0, most)), unseen: [] });
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    return Math.min(stops.length, most);
  }, STOPS_MAX);
  // The browser's own stops between the end of the page and its beginning are some more.
  for (let stop = 0; stop < count + 10; stop += 1) {
    await page.keyboard.press('Tab');
    const isOver = await page.evaluate(() => {
      const { left, unseen } = window as unknown as Walk;
      const one = document.activeElement;
      if (one && left.delete(one)) {
        const { outlineStyle, boxShadow } = getComputedStyle(one);
        // A field changes its border, or that of its box.
        const isSeen = outlineStyle !== 'none' || boxShadow !== 'none' || one.matches('input, select, textarea');
        if (!isSeen || !one.matches(':focus-visible')) unseen.push(`not seen: ${one.outerHTML}`);
      }
      return left.size === 0;
    });
    if (isOver) break;
  }
  return page.evaluate(() => {
    const { left, unseen } = window as unknown as Walk;
    // What the page has replaced meanwhile is not there to be reached.
    const missed = [...left].filter((one) => one.isConnected).map((one) => `not reached: ${one.outerHTML}`);
    return [...missed, ...unseen].map((text) => text.slice(0, 200));
  });
}

/** Buttons that do nothing without scripts, and forms that go nowhere. */
function dead(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const isShown = (one: Element) => one.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    const buttons = [...document.querySelectorAll('button')].filter(isShown);
    const works = ({ type, form, popoverTargetElement }: HTMLButtonElement) =>
      (type === 'submit' && form?.hasAttribute('action')) || type === 'reset' || popoverTargetElement !== null;
    const links = [...document.querySelectorAll('a:not([href])')].filter(isShown);
    return [...buttons.filter((one) => !works(one)), ...links].map((one) => one.outerHTML.slice(0, 200));
  });
}

test('every page can be walked through with Tab, and shows where one is', async ({ page, router, starts }) => {
  test.setTimeout(1_200_000);
  await walk(page, { place: await furnish(router, starts), url: router.url, of: AS_LOADED }, async (name) => {
    expect.soft(await unreached(page), name).toEqual([]);
  });
});

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false, viewport: { width: 320, height: 640 } });

  test('every page is there on a small phone, and no button on it does nothing', async ({ page, router, starts }) => {
    test.setTimeout(1_200_000);
    await walk(page, { place: await furnish(router, starts), url: router.url, of: AS_LOADED }, async (name) => {
      await expect.soft(page.getByRole('heading', { level: 1 }), name).toBeVisible();
      expect.soft([...(await dead(page)), ...(await beyondEdge(page))], name).toEqual([]);
    });
  });
});
