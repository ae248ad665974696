/** What pages look like with names and words that are too long, and on paper. */
import type { Page } from '@playwright/test';
import { answer, ended, expect, expectNoOverflow, send, signIn, test } from './fixtures';

const LONG = 'AnAgentWhoseNameIsLongerThanAPhoneIsWideAndHasNoSpaceAtWhichItCouldBreak';

/** Which elements, of two that both are on the page, lie over each other. */
async function overlapping(page: Page, ...selectors: string[]): Promise<string[]> {
  return page.evaluate((all) => {
    const found = all.map((selector) => ({ selector, box: document.querySelector(selector)?.getBoundingClientRect() }));
    return found.flatMap(({ selector, box: one }, index) => {
      if (!one) return [`${selector} is missing`];
      return found.slice(index + 1).flatMap(({ selector: other, box }) => {
        const isApart =
          !box || one.right <= box.left || box.right <= one.left || one.bottom <= box.top || box.bottom <= one.top;
        return isApart ? [] : [`${selector} and ${other}`];
      });
    });
  }, selectors);
}

test.describe('on a small phone', () => {
  test.use({ viewport: { width: 320, height: 640 } });
  test('the name of an agent widens no page, whatever its length', async ({ page, router }) => {
    await signIn(page, router);
    await send(page, 'echo hello');
    await ended(page, 'done');
    const { agents } = (await (await page.request.get('/api/agents')).json()) as {
      agents: { id: string; name: string }[];
    };
    const { id } = agents.find(({ name }) => name === 'Demo') ?? {};
    expect((await page.request.patch(`/api/agents/${id}`, { data: { name: LONG } })).ok()).toBe(true);
    await page.reload();
    await expectNoOverflow(page, 'a conversation');
    expect(await overlapping(page, '.title-agent > a', '.runner-button', '[id^=bar-options-]')).toEqual([]);
    expect((await page.locator('#composer-text').boundingBox())?.height).toBeLessThan(60);
    const conversation = new URL(page.url()).pathname.split('/').at(-1);
    await page.request.delete(`/api/conversations/${conversation}`);
    await expect(page.locator('#conversation-gone')).toBeVisible();
    await expectNoOverflow(page, 'a conversation that is gone');
    for (const part of ['', '/settings', '/schedules', '/files', '/runner']) {
      await page.goto(`/agents/${id}${part}`);
      await expectNoOverflow(page, part);
    }
  });
});

test('in a table, a word that is wider than its cell does not run into the next one', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, `echo | Name | Type |\n|---|---|\n| \`${'word_'.repeat(30)}\` | text |`);
  await ended(page, 'done');
  await expect(answer(page).locator('td')).toHaveCount(2);
  expect(await overlapping(page, 'td:first-child code', 'td:last-child')).toEqual([]);
});

test('on paper is what was said, dark on white, and nothing that is for a screen', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, 'code 3');
  await ended(page, 'done');
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  await expect(page.locator('article.user .bubble')).toBeVisible();
  await expect(answer(page).locator('pre')).toBeVisible();
  for (const part of ['#sidebar', '.dock', '.title-bar .icon-button', '.byline .dot', '.actions', '.copy-code']) {
    await expect(page.locator(part).first()).toBeHidden();
  }
  const [ink] = await answer(page).evaluate((one) => /[\d.]+/.exec(getComputedStyle(one).color) ?? []);
  expect(Number(ink)).toBeLessThan(0.5);
  const pre = answer(page).locator('pre');
  expect(await pre.evaluate((one) => one.scrollWidth - one.clientWidth)).toBe(0);
});
