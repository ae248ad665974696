/** The list of conversations, and the way to those that are not in view. */
import type { Page } from '@playwright/test';
import type { RouterProcess } from '../support/process';
import {
  answer,
  ended,
  expect,
  expectAccessible,
  expectNoOverflow,
  htmxRuns,
  LOST_CONNECTION,
  send,
  signIn,
  standsStill,
  test,
} from './fixtures';

const COUNT = 42;

/** So many more conversations with the agent on the page, `Talk 1` first. */
async function converse(page: Page, router: RouterProcess, count: number): Promise<void> {
  const agent = await page.locator('#composer-form').getAttribute('action');
  for (let index = 1; index <= count; index += 1) {
    const form = { text: `echo Talk ${index}` };
    const response = await page.request.post(agent ?? '', { form, headers: { origin: router.url }, maxRedirects: 0 });
    expect(response.status()).toBe(303);
  }
}

const links = (page: Page) => page.locator('#conversations [data-at]');

test('the list goes on by scrolling, keeps the current conversation in view and hears of others', async ({
  page,
  router,
  context,
}) => {
  await signIn(page, router);
  await converse(page, router, COUNT);
  await page.reload();
  await expect(links(page)).toHaveCount(30);
  await expect(page.locator('#conversations .day')).toHaveText(['Today']);
  await expectAccessible(page, 'sidebar');
  await page.getByRole('link', { name: 'Older conversations' }).scrollIntoViewIfNeeded();
  await expect(links(page)).toHaveCount(COUNT);
  await expect(page.locator('#conversations .day')).toHaveText(['Today']);

  await page
    .locator('#conversations')
    .getByRole('link', { name: /^echo Talk 2 unread$/ })
    .click();
  const current = page.locator('#conversations [aria-current="page"]');
  await expect(current).toHaveText(/echo Talk 2$/);
  await expect(current).toBeInViewport();

  const other = await context.newPage();
  await other.goto(page.url());
  await send(other, 'echo again');
  await ended(other, 'done');
  await expect(links(page).first()).toHaveText(/echo Talk 2$/);
  await expect(page.locator('#conversations').getByRole('link', { name: 'echo Talk 2', exact: true })).toHaveCount(1);
});

test('an answer that ends elsewhere marks its conversation and the title of the page until it is opened', async ({
  page,
  router,
  context,
}) => {
  await signIn(page, router);
  const other = await context.newPage();
  await other.goto(page.url());
  await converse(other, router, 1);
  const unread = page.locator('#conversations').getByRole('link', { name: /^echo Talk 1 unread$/ });
  await expect(unread).toBeVisible();
  await expect(page).toHaveTitle(/^\(1\) .* · agent-stack$/);
  await expectAccessible(page, 'unread');
  await other.reload();
  await other
    .locator('#conversations')
    .getByRole('link', { name: /^echo Talk 1/ })
    .click();
  await expect(other).toHaveTitle('echo Talk 1 · agent-stack');
  await expect(unread).toHaveCount(0);
  await expect(page).toHaveTitle(/^[^(]* · agent-stack$/);
});

/** A conversation of 120 messages, `Message 1.` first. @returns its id and those of its messages. */
async function importLong(router: RouterProcess) {
  const messages = Array.from({ length: 120 }, (_, n) => ({
    role: n % 2 === 0 ? 'user' : 'assistant',
    content: `Message ${n + 1}.${'\n\nA long answer.'.repeat(n % 2 === 0 ? 1 : 40)}`,
  }));
  const admin = await router.signIn();
  const file = { format: 'agent-stack.conversation', version: 1, title: 'Long', messages };
  const imported = await admin.request('/api/conversations/import?backend=demo', { method: 'POST', body: file });
  const { id } = (await imported.json()).conversation;
  const { messages: stored } = await (await admin.request(`/api/conversations/${id}`)).json();
  const ids: string[] = stored.map((message: { id: string }) => message.id);
  return { id, ids };
}

test('who comes to the link to earlier messages by the keyboard goes on with the message below it', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  const { id, ids } = await importLong(router);
  await page.goto(`/conversations/${id}`);
  await page.locator('.earlier a').focus();
  await expect(page.locator('.message')).toHaveCount(100);
  await expect(page.locator(`#message-${ids[70]} :focus`)).toBeInViewport();
});

test('what stands out of a message is not cut off where it is in a group', async ({ page, router }) => {
  await signIn(page, router);
  const admin = await router.signIn();
  // The groups end with an answer, and with a message of the user.
  for (const first of ['user', 'assistant']) {
    const roles = [first, first === 'user' ? 'assistant' : 'user'];
    const messages = Array.from({ length: 30 }, (_, n) => ({ role: roles[n % 2], content: `Message ${n + 1}.` }));
    const file = { format: 'agent-stack.conversation', version: 1, title: first, messages };
    const imported = await admin.request('/api/conversations/import?backend=demo', { method: 'POST', body: file });
    await page.goto(`/conversations/${(await imported.json()).conversation.id}`);
    await expect(page.locator('.past')).toHaveCount(2);
    for (const group of await page.locator('.past').all()) {
      await group.scrollIntoViewIfNeeded();
      const cutOff = () =>
        group.evaluate((shown) => {
          const edge = shown.getBoundingClientRect();
          const buttons = [...shown.querySelectorAll('.actions .icon-button')].map((one) =>
            one.getBoundingClientRect(),
          );
          return (
            buttons
              .map(({ left, right, bottom }) => [left - edge.left, edge.right - right, edge.bottom - bottom])
              // The outline of what has the focus, but for the browser's rounding.
              .filter((room) => Math.min(...room) < 3.5)
          );
        });
      // Chromium gives no place for a button of a group that it has not laid out yet.
      await expect.poll(cutOff).toEqual([]);
    }
  }
});

test('where earlier messages are refused, the link leads to them as a page', async ({ page, router }) => {
  await signIn(page, router);
  const { id } = await importLong(router);
  await page.goto(`/conversations/${id}`);
  const isEarlier = /before=/;
  await page.route(isEarlier, (route) => route.fulfill({ status: 429, contentType: 'text/html', body: '<h1>No</h1>' }));
  await page.evaluate(() => scrollTo(0, 0));
  await expect(page.locator('.earlier a:not([hx-get])')).toBeVisible();
  await expect(page.locator('#messages h1')).toHaveCount(0);
  await page.unroute(isEarlier);
  await page.locator('.earlier a').click();
  await expect(page).toHaveURL(isEarlier);
  await expect(page.locator('.message').last()).toContainText('Message 70.');
});

test('a message that an address names is in view, wherever it is in a long conversation', async ({ page, router }) => {
  await signIn(page, router);
  const { ids } = await importLong(router);
  expect(ids).toHaveLength(120);
  // On a page of earlier ones, in a group, the first behind the groups, and among the newest.
  for (const number of [3, 90, 111, 119]) {
    await page.goto(`/messages/${ids[number - 1]}`);
    await standsStill(page);
    const place = await page
      .locator('.message')
      .filter({ hasText: `Message ${number}.` })
      .boundingBox();
    expect(place?.y, `message ${number}`).toBeGreaterThan(60);
    expect(place?.y, `message ${number}`).toBeLessThan(300);
    if (number === 111) await expect(page.locator('#jump')).toBeVisible();
  }
});

test('a page of older messages says so, and gets none of the newer ones, which are a way off', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  const { id, ids } = await importLong(router);
  await page.goto(`/messages/${ids[2]}`);
  await expect(page.locator('.past-note')).toContainText('Older messages');
  const shown = await page.locator('.message').count();
  expect(shown).toBeLessThan(60);
  const conversation = await page.context().newPage();
  await conversation.goto(`/conversations/${id}`);
  await send(conversation, 'echo newer');
  await ended(conversation, 'done');
  // The same stream has brought what is around the conversation.
  await expect(page.locator('.runner-button')).toContainText('awake');
  await expect(page.locator('.message')).toHaveCount(shown);
  await expectAccessible(page, 'older messages');
  await page.getByRole('link', { name: 'Jump to latest' }).click();
  await expect(answer(page)).toContainText('newer');
  await page.goto(`/messages/${ids[2]}`);
  await page.getByRole('textbox', { name: 'Message Demo' }).fill('echo from the past');
  await page.keyboard.press('Enter');
  await ended(page, 'done');
  await expect(answer(page)).toContainText('from the past');
  await expect(page).toHaveURL(`/conversations/${id}`);
});

test('on a page of older messages a message is edited, its variants lead to each other, and what is refused stays', async ({
  page,
  router,
  context,
  allowComplaint,
}) => {
  allowComplaint(LOST_CONNECTION);
  await signIn(page, router);
  const { id, ids } = await importLong(router);
  const third = page.locator(`#message-${ids[2]}`);
  await page.goto(`/messages/${ids[2]}`);
  await third.getByRole('link', { name: 'Edit message' }).click();
  await page.getByLabel('Your message').fill('echo otherwise');
  await page.getByRole('button', { name: 'Send again' }).click();
  await expect(page).toHaveURL(`/conversations/${id}`);
  await ended(page, 'done');
  await page.getByRole('button', { name: 'Previous variant' }).click();
  await expect(page.locator('.message').last()).toContainText('Message 120.');
  await page.goto(`/messages/${ids[2]}`);
  await expect(page.locator('.past-note')).toBeVisible();
  await third.getByRole('button', { name: 'Next variant' }).click();
  await expect(page.locator('.bubble').last()).toHaveText('echo otherwise');
  await page.getByRole('button', { name: 'Previous variant' }).click();
  await expect(page.locator('.message').last()).toContainText('Message 120.');

  await page.goto(`/messages/${ids[2]}`);
  const composer = page.getByRole('textbox', { name: 'Message Demo' });
  await htmxRuns(page);
  await composer.fill('echo a draft');
  await context.setOffline(true);
  await page.getByRole('button', { name: 'Send message' }).click();
  await expect(page.locator('#composer-error')).not.toBeEmpty();
  await context.setOffline(false);
  await page.reload();
  await expect(composer).toHaveValue('echo a draft');

  const newest = await context.newPage();
  await newest.goto(`/conversations/${id}`);
  await send(newest, `slow ${'word '.repeat(200)}`);
  await newest.locator('#composer-actions .stop').waitFor();
  await htmxRuns(page);
  await page.getByRole('button', { name: 'Send message' }).click();
  await expect(page.locator('#composer-error')).not.toBeEmpty();
  await expect(composer).toHaveValue('echo a draft');
  await page.getByRole('button', { name: 'Stop answer' }).click();
  await expect(page).toHaveURL(`/conversations/${id}`);
  await expect(composer).toHaveValue('echo a draft');
  await page.getByRole('button', { name: 'Send message' }).click();
  await expect(answer(page)).toContainText('a draft');
  await page.reload();
  await expect(composer).toHaveValue('');
});

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false });
  test('older conversations are a page', async ({ page, router }) => {
    await signIn(page, router);
    await converse(page, router, COUNT);
    await page.goto('/');
    await page.getByRole('link', { name: 'Older conversations' }).click();
    await expect(page.getByRole('heading', { name: 'Conversations', level: 1 })).toBeVisible();
    await page
      .getByRole('main')
      .getByRole('link', { name: /^echo Talk 1 unread$/ })
      .click();
    await expect(page.locator('article.user')).toHaveText(/echo Talk 1/);
  });
});

test('the list fits on a phone', async ({ page, router }) => {
  await signIn(page, router);
  await converse(page, router, 3);
  await page.setViewportSize({ width: 320, height: 640 });
  await page.reload();
  await page.getByRole('button', { name: 'Open sidebar' }).click();
  await expectNoOverflow(page, 'sidebar');
  await expectAccessible(page, 'sidebar on a phone');
});

test('search opens by a key, finds as one types, and is led by arrows', async ({ page, router }) => {
  await signIn(page, router);
  await send(page, 'echo a needle in a haystack');
  await ended(page, 'done');
  const dialog = page.getByRole('dialog', { name: 'Search' });
  const query = dialog.getByRole('searchbox');
  await page.getByRole('textbox', { name: 'Message Demo' }).fill('a/b');
  await expect(dialog).toBeHidden();
  await page.keyboard.press('Control+k');
  await expect(query).toBeFocused();
  await page.keyboard.type('needle');
  const hits = dialog.locator('.hit');
  await expect(hits).toHaveCount(2);
  await expect(hits.first().locator('mark').first()).toHaveText('needle');
  await expectAccessible(page, 'search');
  await page.keyboard.press('ArrowDown');
  await expect(hits.first()).toBeFocused();
  await page.keyboard.press('ArrowUp');
  await expect(query).toBeFocused();
  for (let steps = 0; steps < 8; steps += 1) await page.keyboard.press('Tab');
  await expect(page.locator('.app :focus')).toHaveCount(0);
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();

  await page.getByRole('link', { name: 'New conversation', exact: true }).click();
  await page.locator('h1').click();
  await page.keyboard.press('Escape');
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page.keyboard.press('/');
  await page.keyboard.type('haystack');
  await expect(hits).toHaveCount(2);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/conversations\/\w+#message-\w+$/);
  await expect(page.locator('article.user')).toHaveText(/needle in a haystack/);
});

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false });
  test('search is a page', async ({ page, router }) => {
    await signIn(page, router);
    await converse(page, router, 1);
    await page.getByRole('link', { name: 'Search' }).click();
    await page.getByRole('main').getByRole('searchbox').fill('talk');
    await page.getByRole('main').getByRole('button', { name: 'Search' }).click();
    await page
      .getByRole('main')
      .getByRole('link', { name: /Talk 1/ })
      .first()
      .click();
    await expect(page.locator('article.user')).toHaveText(/echo Talk 1/);
  });
});
