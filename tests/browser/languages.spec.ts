/** How the language of pages is chosen, times as the browser writes them, and the page as an app of its own. */
import { expect, signIn, test } from './fixtures';

test('who chooses Chinese has every page in it from then on', async ({ page, router }) => {
  await signIn(page, router);
  await page.goto('/settings');
  await page.getByLabel('Language').selectOption('zh');
  await page.getByRole('button', { name: 'Save language' }).click();
  await expect(page.locator('#you-said')).toHaveText('已保存，之后所有页面都使用这种语言。');
  await expect(page.locator('#you-said')).toBeFocused();
  await page.goto('/usage');
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-Hans');
});

test.describe('a browser that asks for Chinese', () => {
  test.use({ locale: 'zh-CN' });

  test('gets the sign-in page in it, and refusals too', async ({ page }) => {
    await page.goto('/sign-in');
    await page.getByLabel('电子邮箱').fill('nobody@example.org');
    await page.getByLabel('密码').fill('wrong-password');
    await page.getByRole('button', { name: '登录' }).click();
    await expect(page.getByRole('alert')).toHaveText('电子邮箱或密码不正确。');
    await expect(page.getByLabel('密码')).toBeFocused();
  });
});

test.describe('a browser of Germany', () => {
  test.use({ locale: 'de-DE' });

  test('writes times as there', async ({ page, router }) => {
    await signIn(page, router);
    await page.goto('/settings');
    await page.getByText('Where you are signed in').click();
    await expect(page.locator('#you time').first()).toHaveText(/^\d{1,2}:\d{2}$/);
    // The whole of it, to the second.
    await page.locator('#you time').first().hover();
    await expect(page.locator('#you time').first()).toHaveAttribute(
      'title',
      /^\d{1,2}\D\d{1,2}\D\d{4}, \d{1,2}:\d{2}:\d{2}$/,
    );
  });
});

test('the key that ends a composition of an input method sends nothing, in Safari neither', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  const composer = page.getByRole('textbox', { name: 'Message Demo' });
  await composer.fill('你好');
  // Safari says that the composition is over before it tells of the key.
  const isLeftAlone = (keyCode: number) =>
    composer.evaluate((area, code) => {
      const init = { key: 'Enter', keyCode: code, bubbles: true, cancelable: true };
      return area.dispatchEvent(new KeyboardEvent('keydown', init));
    }, keyCode);
  expect(await isLeftAlone(229)).toBe(true);
  expect(await isLeftAlone(13)).toBe(false);
  await expect(page).toHaveURL(/\/conversations\//);
});

test('the page installs as an app: its manifest names icons that are there', async ({ page }) => {
  await page.goto('/sign-in');
  const href = (await page.locator('link[rel=manifest]').getAttribute('href')) ?? '';
  const manifest = (await (await page.request.get(href)).json()) as { icons: { src: string; type: string }[] };
  for (const { src, type } of manifest.icons) {
    const icon = await page.request.get(src);
    expect([src, icon.status(), icon.headers()['content-type']?.split(';')[0]]).toEqual([src, 200, type]);
  }
});
