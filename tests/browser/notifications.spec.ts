/** What hidden pages tell of answers that end: marks in their titles, and notifications. */
import type { Page, Request } from '@playwright/test';
import { answer, ended, expect, expectAccessible, send, signIn, test } from './fixtures';

interface Told {
  title: string;
  body: string;
  tag: string;
  isClosed: boolean;
}

// A headless browser shows no notification, and takes each of its pages for visible.
test.beforeEach(({ context }) =>
  context.addInitScript(() => {
    const recorded: (EventTarget & { title: string })[] = [];
    const construct = (_real: unknown, [title, options]: [string, object]) => {
      const notification = Object.assign(new EventTarget(), {
        ...options,
        ...{ title, isClosed: false },
        close: () => {
          notification.isClosed = true;
        },
      });
      // The switch asks with an empty one whether it may be constructed at all.
      if (title !== '') recorded.push(notification);
      return notification;
    };
    Object.assign(window, { recorded, isAway: false, Notification: new Proxy(Notification, { construct }) });
    const isAway = () => 'isAway' in window && window.isAway === true;
    document.addEventListener('htmx:sse:after:connection', () => Object.assign(window, { isLive: true }));
    Object.defineProperty(document, 'hidden', { get: isAway });
    Object.defineProperty(document, 'visibilityState', { get: () => (isAway() ? 'hidden' : 'visible') });
  }),
);

/** Hides the page, or shows it, as another tab in front of it would. */
async function setAway(page: Page, isAway: boolean): Promise<void> {
  // A stream that opens afterwards would not notice.
  if (isAway) await page.waitForFunction(() => 'isLive' in window);
  await page.evaluate((value) => {
    Object.assign(window, { isAway: value });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
  }, isAway);
}

function toldOn(...pages: Page[]): Promise<Told[]> {
  const recordedOn = (page: Page) =>
    page.evaluate(() =>
      (window as unknown as { recorded: Told[] }).recorded.map(({ title, body, tag, isClosed }) => ({
        ...{ title, body, tag, isClosed },
      })),
    );
  return Promise.all(pages.map(recordedOn)).then((each) => each.flat());
}

async function switchOn(page: Page): Promise<void> {
  await page.goto('/settings');
  await page.getByLabel('Notify me when an answer ends').check();
  await expect(page.getByLabel('Notify me when an answer ends')).toBeChecked();
}

/** Whether it is the one stream of all hidden pages of a user. */
function isListening(request: Request): boolean {
  return /\/live\?user=[\w-]+$/.test(request.url());
}

/** Sends a message on a page in the background, on which nothing appears. */
async function sendAway(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Message Demo' }).fill(text);
  await page.getByRole('button', { name: 'Send message' }).click();
}

test('an answer that ends while all pages are hidden is told once, by names only, and a click opens it', async ({
  page,
  router,
  context,
}) => {
  await context.grantPermissions(['notifications']);
  await signIn(page, router);
  // It has been open for longer than notifications are on.
  const other = await context.newPage();
  await other.goto('/');
  await switchOn(page);
  await expectAccessible(page, 'settings with notifications');
  await page.goto('/');
  await send(page, 'echo A title');
  await ended(page, 'done');
  const { pathname } = new URL(page.url());
  const listens = other.waitForRequest(isListening);
  await setAway(other, true);
  await listens;
  await setAway(page, true);
  await sendAway(page, 'echo something private');
  await expect.poll(() => toldOn(page, other)).toHaveLength(1);
  expect(await toldOn(other)).toEqual([
    {
      ...{ title: 'echo A title', body: 'Demo', isClosed: false },
      tag: `conversation-link-${pathname.split('/').at(-1)}`,
    },
  ]);
  await other.evaluate(() => {
    const [notification] = (window as unknown as { recorded: EventTarget[] }).recorded;
    notification?.dispatchEvent(new Event('click'));
  });
  await expect(other).toHaveURL(pathname);
  await expect(answer(other)).toContainText('something private');
});

test('nothing is told while a page is visible, and what was told is taken back when its page is', async ({
  page,
  router,
  context,
}) => {
  await context.grantPermissions(['notifications']);
  await signIn(page, router);
  await switchOn(page);
  const hidden = await context.newPage();
  for (const [one, text] of [
    [hidden, 'echo seen'],
    [page, 'echo unseen'],
  ] as const) {
    await one.goto('/');
    await one.getByRole('link', { name: 'New conversation', exact: true }).click();
    await expect(one).toHaveURL(/\/agents\//);
    await send(one, text);
    await ended(one, 'done');
  }
  const listens = hidden.waitForRequest(isListening);
  await setAway(hidden, true);
  await listens;
  await sendAway(hidden, 'echo more');
  const link = page.locator('#conversations').getByRole('link', { name: /^echo seen/ });
  await expect(link).toContainText('unread');
  await setAway(page, true);
  await sendAway(page, 'echo more');
  await expect.poll(() => toldOn(hidden, page)).toMatchObject([{ title: 'echo unseen', isClosed: false }]);
  await setAway(hidden, false);
  await expect.poll(() => toldOn(hidden)).toMatchObject([{ title: 'echo unseen', isClosed: true }]);
});

test('with notifications off, one hidden page hears for all of them what is unread, and each title says it until it is read', async ({
  page,
  router,
  context,
}) => {
  const streams: Page[] = [];
  context.on('request', (one) => isListening(one) && streams.push(one.frame().page()));
  await signIn(page, router);
  await send(page, 'echo unseen');
  await ended(page, 'done');
  const { pathname } = new URL(page.url());
  const other = await context.newPage();
  await other.goto('/settings');
  await expect(page).toHaveTitle('echo unseen · agent-stack');
  const titles = async (mark: string) => {
    await expect(page).toHaveTitle(`${mark}echo unseen · agent-stack`);
    await expect(other).toHaveTitle(`${mark}Settings · agent-stack`);
  };
  await setAway(page, true);
  await expect.poll(() => streams).toEqual([page]);
  await setAway(other, true);
  await sendAway(page, 'echo more');
  await titles('(1) ');
  expect(streams).toEqual([page]);
  await setAway(page, false);
  await titles('');
  await expect.poll(() => streams).toEqual([page, other]);

  await setAway(page, true);
  await sendAway(page, 'echo more');
  await titles('(1) ');
  expect(streams).toEqual([page, other]);
  await other.evaluate(() => document.dispatchEvent(new Event('freeze')));
  await expect.poll(() => streams).toEqual([page, other, page]);
  await (await router.signIn()).request(`${pathname}/read`);
  await titles('');
});

test('a hidden page of somebody who has signed out hears nothing of who signs in next', async ({
  page,
  router,
  context,
}) => {
  const email = 'bob@example.org';
  await router.signIn({ email, name: 'Bob', password: router.admin.password });
  await signIn(page, router);
  const theirs = await context.newPage();
  await theirs.goto('/settings');
  await page.getByRole('button', { name: /Account/ }).click();
  const isOpen = theirs.waitForResponse((response) => isListening(response.request()) && response.ok());
  await setAway(theirs, true);
  await isOpen;
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL(/\/sign-in$/);
  await signIn(page, router, { email });
  await send(page, 'echo of Bob');
  await ended(page, 'done');
  const refused = theirs.waitForResponse((response) => isListening(response.request()) && response.status() === 401);
  await theirs.evaluate(() => document.dispatchEvent(new Event('resume')));
  await refused;
  await setAway(page, true);
  await sendAway(page, 'echo more');
  await expect(page).toHaveTitle('(1) echo of Bob · agent-stack');
  await expect(theirs).toHaveTitle('Settings · agent-stack');
});

test('a conversation that is opened in a tab behind stays unread until its tab is in front', async ({
  page,
  router,
  context,
}) => {
  await signIn(page, router);
  await send(page, 'echo unseen');
  await ended(page, 'done');
  const { pathname } = new URL(page.url());
  await setAway(page, true);
  await sendAway(page, 'echo more');
  const list = await context.newPage();
  await list.goto('/search');
  const link = list.locator('#conversations').getByRole('link', { name: /^echo unseen/ });
  await expect(link).toContainText('unread');
  const behind = await context.newPage();
  await behind.addInitScript(() => Object.assign(window, { isAway: true }));
  await behind.goto(pathname);
  await expect(behind.locator('article.answer').last()).toContainText('more');
  await expect(behind.locator('#sidebar .unread')).toHaveCount(0);
  await list.reload();
  await expect(link).toContainText('unread');
  await setAway(behind, false);
  await expect(link).not.toContainText('unread');
});

test('a browser that blocks notifications says so beside the switch, and loads nothing for them elsewhere', async ({
  page,
  router,
}) => {
  await signIn(page, router);
  const asked: string[] = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await page.goto('/settings');
  await page.getByLabel('Notify me when an answer ends').click();
  await expect(page.locator('#notifications').getByRole('status')).toContainText('blocks notifications');
  await expect(page.getByLabel('Notify me when an answer ends')).not.toBeChecked();
  expect(asked).toContain('/assets/notify.js');
  await expectAccessible(page, 'settings with blocked notifications');
  asked.length = 0;
  await page.goto('/');
  await expect(page.getByRole('heading', { name: 'Demo', level: 1 })).toBeVisible();
  expect(asked).toContain('/assets/app.js');
  expect(asked).not.toContain('/assets/notify.js');
});

test('a browser without notifications has no switch', async ({ page, router, context }) => {
  await context.addInitScript(() => {
    Reflect.deleteProperty(window, 'Notification');
  });
  await signIn(page, router);
  await page.goto('/settings');
  await expect(page.locator('#browser').getByRole('button', { name: 'Dark' })).toBeVisible();
  await expect(page.locator('#notifications')).toBeHidden();
});
