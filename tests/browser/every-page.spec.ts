/** Every page and its main states in both languages and themes, wide, on a phone and enlarged, there also in forced colours. */
import type { Page } from '@playwright/test';
import { walk } from './every-page';
import { furnish } from './every-page-place';
import { expect, findings, overflowing, THEMES, test } from './fixtures';

const LANGUAGES = [
  { lang: 'en', locale: 'en-GB' },
  { lang: 'zh-Hans', locale: 'zh-CN' },
];
/** A small screen that is enlarged to 200 %. */
const ENLARGED = { width: 320, height: 512 };
const SIZES = [{ width: 1440, height: 900 }, { width: 360, height: 740 }, ENLARGED];

/** `bun run test:pages` walks each language at each size. Otherwise each of both is in one of the walks, as all take a quarter of an hour. */
const isWhole = process.env.TEST_PAGES === '1';

// Each takes minutes, and needs nothing of the other.
test.describe.configure({ mode: 'parallel' });
// A start is held for as long as its page is looked at.
test.use({ contextOptions: { reducedMotion: 'reduce' }, routerEnv: { BACKEND_STARTUP_TIMEOUT: '600' } });

/** What is wrong with the page that is open, in its window and in the smallest one with forced colours. */
async function faultsOf(page: Page): Promise<string[]> {
  const faults: string[] = [];
  for (const theme of THEMES) faults.push(...(await findings(page, theme)));
  for (const isForced of [false, true]) {
    if (isForced) await page.setViewportSize(ENLARGED);
    await page.emulateMedia({ forcedColors: isForced ? 'active' : 'none' });
    const beyond = await overflowing(page);
    faults.push(...beyond.map((one) => `wider than ${page.viewportSize()?.width}: ${one}`));
  }
  // Not transitions: those of what a long page does not lay out stand still.
  const moving = await page.evaluate(() =>
    document.getAnimations().flatMap((one) => (one instanceof CSSAnimation ? [one.animationName] : [])),
  );
  faults.push(...moving.map((name) => `moves: ${name}`));
  await page.emulateMedia({ forcedColors: 'none' });
  faults.push(...(await variablesOn(page)).map((name) => `says ${name}`));
  return faults;
}

/** Names of the variables of an upstream, which people are told in words. The reference of the API is for those who write programs. */
function variablesOn(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    if (location.pathname.startsWith('/docs')) return [];
    const attributes = ['aria-label', 'alt', 'placeholder', 'title', 'value'];
    const said = [...document.querySelectorAll('body *')].flatMap((one) =>
      attributes.map((name) => one.getAttribute(name)),
    );
    return [document.title, document.body.textContent, ...said].flatMap((text) => text?.match(/LLM_[A-Z_]+/g) ?? []);
  });
}

for (const [ofLanguage, { lang, locale }] of LANGUAGES.entries())
  for (const [ofSize, size] of SIZES.entries()) {
    if (!isWhole && (ofLanguage + ofSize) % 2 === 1) continue;
    test.describe(`${lang}, ${size.width} px`, () => {
      test.use({ locale });

      test('no page has an accessibility finding, is wider than its window, moves or names a variable', async ({
        page,
        router,
        starts,
      }) => {
        // A minute on two cores that have nothing else to do.
        test.setTimeout(1_200_000);
        const folder = process.env.SCREENSHOTS;
        await page.setViewportSize(size);
        await walk(page, { place: await furnish(router, starts), url: router.url }, async (name) => {
          expect.soft(await page.locator('html').getAttribute('lang'), name).toBe(lang);
          const file = `${name.replaceAll('/', '_')} ${lang} ${size.width}.png`;
          if (folder) await page.screenshot({ path: `${folder}/${file}` });
          expect.soft(await faultsOf(page), name).toEqual([]);
          await page.setViewportSize(size);
        });
      });
    });
  }
