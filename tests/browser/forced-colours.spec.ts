/** Every page in forced colours: what can be used, is chosen, has the focus or says a state can be told from what does not. */
import type { Page } from '@playwright/test';
import { walk } from './every-page';
import { furnish } from './every-page-place';
import { expect, standsStill, test } from './fixtures';

test.use({ contextOptions: { reducedMotion: 'reduce' } });

/** What cannot be told by its form or by a colour of the system. */
function unseen(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const probe = document.body.appendChild(document.createElement('i'));
    const system = [
      'Canvas',
      'CanvasText',
      'LinkText',
      'VisitedText',
      'GrayText',
      'ButtonText',
      'ButtonFace',
      'FieldText',
    ];
    const colours = system.map((name) => {
      probe.style.color = name;
      return getComputedStyle(probe).color;
    });
    const [canvas = ''] = colours;
    probe.remove();
    const shown = (selector: string) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility());
    const isLine = (width: string, style: string, colour: string) =>
      Number.parseFloat(width) > 0 && style !== 'none' && colour !== canvas && colour !== 'transparent';
    const hasOutline = (one: Element) => {
      const { outlineWidth, outlineStyle, outlineColor } = getComputedStyle(one);
      return isLine(outlineWidth, outlineStyle, outlineColor);
    };
    const hasEdge = (one: Element, pseudo?: string) => {
      const { borderTopWidth, borderTopStyle, borderTopColor, appearance } = getComputedStyle(one, pseudo);
      const isNative = pseudo === undefined && one.matches('[type=checkbox], [type=radio]') && appearance !== 'none';
      return isNative || isLine(borderTopWidth, borderTopStyle, borderTopColor);
    };
    const isFilled = (one: Element, pseudo?: string) => {
      const { backgroundColor, backgroundImage } = getComputedStyle(one, pseudo);
      return ![canvas, 'rgba(0, 0, 0, 0)'].includes(backgroundColor) || backgroundImage !== 'none';
    };
    const isInBox = (one: Element) =>
      [one, one.closest('.composer-box'), one.closest('.attach')].some((at) => at && hasEdge(at));
    // The others have a thinner line, or none.
    const isChosen = (one: Element) => {
      const { outlineWidth, borderBottomWidth, borderBottomStyle, borderBottomColor } = getComputedStyle(one);
      const isUnderlined = isLine(borderBottomWidth, borderBottomStyle, borderBottomColor);
      const width = hasOutline(one) ? outlineWidth : isUnderlined ? borderBottomWidth : '0';
      return Number.parseFloat(width) >= 2;
    };
    const drawn = 'svg :is(path, rect, circle, line, polyline, polygon), svg.icon, svg.mark';
    const ofSystem = (one: Element) => {
      const { fill, stroke, color } = getComputedStyle(one);
      const used = one.matches('.icon, .mark') ? [color] : [fill, stroke].filter((paint) => !/none|0\)$/.test(paint));
      return used.every((paint) => colours.includes(paint));
    };
    const fields = 'button:not([role=menuitem]), input:not([type=hidden]), select, textarea';
    const bad: [string, Element[]][] = [
      ['no edge', shown(fields).filter((one) => !isInBox(one) && !hasOutline(one))],
      ['not chosen', shown('[aria-current], [aria-pressed=true]').filter((one) => !isChosen(one))],
      ['no shape', shown('.dot').filter((one) => !isFilled(one) && !hasEdge(one))],
      ['no shape', shown('.legend span').filter((one) => !isFilled(one, '::before') && !hasEdge(one, '::before'))],
      ['no shape', shown('.thinking').filter((one) => !isFilled(one, '::before'))],
      ['no bar', shown('progress, meter, .share-bar').filter((one) => !hasOutline(one))],
      ['own colour', shown(drawn).filter((one) => !ofSystem(one))],
    ];
    return bad.flatMap(([what, all]) => all.map((one) => `${what}: ${one.outerHTML.slice(0, 160)}`));
  });
}

/** What looks the same with and without the focus. */
async function unfocused(page: Page): Promise<string[]> {
  // What gets the focus after a key shows it.
  await page.keyboard.press('Tab');
  return page.evaluate(() => {
    const usable = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]';
    const outlines = (one: Element) =>
      [one, one.parentElement, one.closest('.composer-box')].map((at) => {
        if (!at) return '';
        const { outlineStyle, outlineWidth, outlineOffset } = getComputedStyle(at);
        return outlineStyle === 'none' ? '' : `${outlineStyle} ${outlineWidth} ${outlineOffset}`;
      });
    const without: string[] = [];
    for (const one of document.querySelectorAll<HTMLElement>(usable)) {
      if (!one.checkVisibility({ visibilityProperty: true }) || one.matches(':disabled')) continue;
      one.blur();
      const before = outlines(one);
      one.focus({ preventScroll: true });
      if (document.activeElement !== one) continue;
      const isSeen = outlines(one).some((outline, index) => outline !== '' && outline !== before[index]);
      if (!isSeen) without.push(`no focus: ${one.outerHTML.slice(0, 160)}`);
    }
    return without;
  });
}

test('in forced colours everything that is used or says a state can be seen', async ({ page, router, starts }) => {
  test.setTimeout(1_200_000);
  const folder = process.env.SCREENSHOTS;
  await walk(page, { place: await furnish(router, starts), url: router.url }, async (name) => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, forcedColors: 'active' });
      await standsStill(page);
      const file = `${name.replaceAll('/', '_')} forced ${colorScheme}.png`;
      if (folder) await page.screenshot({ path: `${folder}/${file}` });
      expect.soft(await unseen(page), `${name}, ${colorScheme}`).toEqual([]);
    }
    expect.soft(await unfocused(page), name).toEqual([]);
  });
});
