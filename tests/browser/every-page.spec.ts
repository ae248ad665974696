/** Every page and its main states in both languages, in light, dark and forced colours, wide, on a phone and enlarged. */
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { become, VISITORS, visits } from './every-page';
import { furnish } from './every-page-place';
import { expect, overflowing, standsStill, test } from './fixtures';

/** A language, and the width at which axe looks at its pages. */
const LANGUAGES = [
  { lang: 'en', locale: 'en-GB', width: 1440 },
  { lang: 'zh-Hans', locale: 'zh-CN', width: 360 },
  { lang: 'en', locale: 'en-GB', width: 320 },
];
const WIDE = { width: 1440, height: 900 };
const PHONE = { width: 360, height: 740 };
/** A small screen that is enlarged to 200 %. */
const ENLARGED = { width: 320, height: 512 };

// Each takes minutes, and needs nothing of the other.
test.describe.configure({ mode: 'parallel' });
// Two pages are seen while a runner starts.
test.use({ startDelayMs: 3_000, contextOptions: { reducedMotion: 'reduce' } });

/** The window in which axe looks. */
const sizeOf = (width: number) => [WIDE, PHONE, ENLARGED].find((size) => size.width === width) ?? WIDE;

/** What axe finds. The theme changes colours only, so each page is looked at as a whole in one of them. */
async function findings(page: Page, colorScheme: 'light' | 'dark'): Promise<string[]> {
  await page.emulateMedia({ colorScheme });
  await standsStill(page);
  // In one step, without a second window: no page has a frame of another site.
  const axe = new AxeBuilder({ page }).setLegacyMode();
  const { violations } = await (colorScheme === 'light' ? axe : axe.withRules('color-contrast')).analyze();
  return violations.map(({ id, nodes }) => `${colorScheme} ${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
}

/** What is wrong with the page that is open. */
async function faultsOf(page: Page, width: number): Promise<string[]> {
  const faults = [...(await findings(page, 'light')), ...(await findings(page, 'dark'))];
  const others = [WIDE, PHONE].filter((size) => size.width !== width);
  for (const size of [undefined, ...others, ENLARGED]) {
    if (size) await page.setViewportSize(size);
    if (size === ENLARGED) await page.emulateMedia({ forcedColors: 'active' });
    const beyond = await overflowing(page);
    faults.push(...beyond.map((one) => `wider than ${page.viewportSize()?.width}: ${one}`));
  }
  // Not transitions: those of what a long page does not lay out stand still.
  const moving = await page.evaluate(() =>
    document.getAnimations().flatMap((one) => (one instanceof CSSAnimation ? [one.animationName] : [])),
  );
  faults.push(...moving.map((name) => `moves: ${name}`));
  await page.emulateMedia({ forcedColors: 'none' });
  return faults;
}

for (const { lang, locale, width } of LANGUAGES) {
  test.describe(`${lang}, ${width} px`, () => {
    test.use({ locale });

    test('no page has an accessibility finding, is wider than its window or moves', async ({ page, router }) => {
      // A minute on two cores that have nothing else to do.
      test.setTimeout(1_200_000);
      page.setDefaultTimeout(30_000);
      const place = await furnish(router);
      const folder = process.env.SCREENSHOTS;
      for (const who of VISITORS) {
        await become(page, place, who, router.url);
        for (const [name, visit] of visits.filter(([, one]) => one.who === who)) {
          await page.setViewportSize(sizeOf(width));
          await page.goto(await visit.path(place));
          await visit.open?.(page);
          expect.soft(await page.locator('html').getAttribute('lang'), name).toBe(lang);
          if (folder) await page.screenshot({ path: `${folder}/${name.replaceAll('/', '_')} ${lang} ${width}.png` });
          expect.soft(await faultsOf(page, width), name).toEqual([]);
        }
      }
    });
  });
}
