/** The parts of every browser test: a router of its own, and a page that must report no problem. */
import { test as base, expect, type Page } from '@playwright/test';
import axe from 'axe-core';
import { type RouterProcess, startRouterProcess } from '../support/process';
import { backendsThatWait, holdStarts, type Starts } from '../support/starts';

interface Options {
  routerEnv: Record<string, string>;
}

interface Fixtures {
  /** Those of the demo agent. */
  starts: Starts;
  router: RouterProcess;
  /** Whether a problem is one of another site's page. */
  isForeign: (problem: string) => boolean;
  /** Problems that the browser reported: errors in the console, violations of the CSP, requests to other origins. */
  complaints: string[];
  /**
   * Says before it happens which problem the browser may report, as late and as often as it likes. Whether it does depends on when
   * a connection is lost. The end of the test fails for every other problem.
   */
  allowComplaint: (what: RegExp) => void;
}

/** How the browser and htmx report a connection that is lost, and a stream that is refused. */
export const LOST_CONNECTION = /net::ERR_|htmx:(sse:)?error: |status of 503/;
export const REFUSED_STREAM = /SSE reconnect failed with status 401/;

export const test = base.extend<Options & Fixtures>({
  routerEnv: [{}, { option: true }],

  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of fixtures from it
  async starts({}, use) {
    await using starts = await holdStarts();
    await use(starts);
  },

  async router({ starts, routerEnv }, use) {
    const backends = await backendsThatWait(starts);
    await using router = await startRouterProcess({ backends, env: routerEnv });
    await use(router);
  },

  baseURL: async ({ router }, use) => use(router.url),

  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of fixtures from it
  isForeign: async ({}, use) => use(() => false),

  complaints: async ({ context, router, isForeign }, use) => {
    const complaints: string[] = [];
    const complain = (problem: string) => isForeign(problem) || complaints.push(problem);
    context.on('console', (message) => {
      // A refused form is an answer, which Chromium reports like a missing file.
      const isRefusal = /Failed to load resource.* 4\d\d /.test(message.text());
      // A network interface of the machine appeared or disappeared, for example a container's bridge: Chromium sends
      // the request again.
      const isOfMachine = message.text().includes('ERR_NETWORK_CHANGED');
      if (message.type() === 'error' && !isRefusal && !isOfMachine) complain(message.text());
    });
    context.on('weberror', (error) => complain(String(error.error())));
    context.on('request', (request) => {
      if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(`${router.url}/`))
        complain(`asked ${request.url()}`);
    });
    await use(complaints);
  },

  allowComplaint: [
    async ({ complaints }, use) => {
      const allowed: RegExp[] = [];
      await use((what) => allowed.push(what));
      expect(complaints.filter((one) => !allowed.some((what) => what.test(one)))).toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };

/**
 * Resolves when the page stands still: fonts are loaded, and no colour, size or position is in transition. Endless
 * animations, such as the dot of a growing answer, are not waited for.
 */
export async function standsStill(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const isChanging = (animation: Animation) =>
      animation.playState === 'running' && animation.effect?.getComputedTiming().endTime !== Number.POSITIVE_INFINITY;
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    await document.fonts.ready;
    // A change of styles begins its transitions with the next frame, and the end of one may begin another.
    for (let frames = 0; frames < 2; frames++) {
      await frame();
      if (document.getAnimations().some(isChanging)) frames = -1;
    }
  });
}

export const THEMES = ['light', 'dark'] as const;

/** What axe finds on the page without running transitions, in one theme. */
export async function findings(
  page: Page,
  colorScheme: (typeof THEMES)[number],
  without: readonly string[] = [],
): Promise<string[]> {
  await page.emulateMedia({ colorScheme });
  await standsStill(page);
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source);
  return page.evaluate(
    async ([theme, off]) => {
      const rules = Object.fromEntries(off.map((id) => [id, { enabled: false }]));
      // What is right is not listed: that takes as long.
      const { axe: here } = window as unknown as { axe: typeof axe };
      const { violations } = await here.run({ resultTypes: ['violations'], rules });
      return violations.map(({ id, nodes }) => `${theme} ${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
    },
    [colorScheme, without] as const,
  );
}

/** Asserts that axe finds nothing, in light and dark. */
export async function expectAccessible(
  page: Page,
  name: string,
  { without = [] }: { without?: readonly string[] } = {},
): Promise<void> {
  for (const theme of THEMES) expect(await findings(page, theme, without), name).toEqual([]);
}

/** What is cut off at the right, or has to be scrolled to. */
export async function overflowing(page: Page): Promise<string[]> {
  await standsStill(page);
  return beyondEdge(page);
}

/** The same, of a page without scripts, on which nothing waits for a frame. */
export async function beyondEdge(page: Page): Promise<string[]> {
  // Of the window, not of the document: on a phone, a document that is too wide makes its own viewport as wide.
  const width = page.viewportSize()?.width ?? 0;
  return page.evaluate((edge) => {
    const scrolls = (element: Element | null): boolean =>
      element !== null && (/auto|scroll/.test(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
    const isShortened = (element: Element | null): boolean =>
      element !== null && (getComputedStyle(element).textOverflow === 'ellipsis' || isShortened(element.parentElement));
    const beyond = [...document.body.querySelectorAll('*')]
      .filter((element) => element.checkVisibility() && element.getBoundingClientRect().width > 1)
      .filter((element) => element.getBoundingClientRect().right > edge + 1)
      // What a box scrolls to, or ends with an ellipsis, can be read.
      .filter((element) => !scrolls(element.parentElement) && !isShortened(element.parentElement))
      .map((element) => `${element.tagName} ${element.id} ${element.className}`);
    const { scrollWidth } = document.documentElement;
    return scrollWidth === edge ? beyond : [...beyond, `the document has ${scrollWidth} px`];
  }, width);
}

/** Asserts that nothing is cut off at the right, or has to be scrolled to. */
export async function expectNoOverflow(page: Page, name: string): Promise<void> {
  expect([name, await overflowing(page)]).toEqual([name, []]);
}

/** Signs in on the page, by default as the administrator. `agent` is the one that they write to first. */
export async function signIn(
  page: Page,
  router: RouterProcess,
  { email = router.admin.email, agent = 'Demo' }: { email?: string; agent?: string } = {},
): Promise<void> {
  await page.goto('/');
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(router.admin.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  // A new administrator is led through the first steps, which have a spec of their own.
  await page.waitForURL((url) => url.pathname !== '/sign-in');
  await page.goto('/');
  await expect(page.getByRole('heading', { name: agent, level: 1 })).toBeVisible();
}

/** Writes a message and sends it. Resolves when its answer has its place on the page, before the answer has ended. */
export async function send(page: Page, text: string, agent = 'Demo'): Promise<void> {
  const answers = page.locator('article.answer');
  const before = await answers.count();
  await page.getByRole('textbox', { name: `Message ${agent}` }).fill(text);
  await page.getByRole('button', { name: 'Send message' }).click();
  await expect(answers).toHaveCount(before + 1);
}

/** Goes to the schedules of the demo agent as a person does. */
export async function openSchedules(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'Agents and their settings' }).click();
  await page.getByRole('link', { name: 'Settings of Demo' }).click();
  await page.getByRole('link', { name: 'Schedules', exact: true }).click();
  await expect(page.getByLabel('What the agent is asked')).toBeVisible();
}

/** Resolves when htmx runs on the page, which is behind its first frame. Until then its links and forms are plain ones. */
export async function htmxRuns(page: Page): Promise<void> {
  await expect(page.locator('[data-htmx-powered]').first()).toBeAttached();
}

/** The button that opens a menu of a conversation, once it is more than a link. */
export function menuButton(page: Page, name: string) {
  return page.getByRole('button', { name }).and(page.locator('[data-htmx-powered]'));
}

/** The place to which the page is scrolled, once it rests there. */
export function restingPlace(page: Page): Promise<number> {
  return page.evaluate(async () => {
    let y = Number.NaN;
    for (let frames = 0; frames < 10; frames++) {
      if (scrollY !== y) frames = 0;
      y = scrollY;
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    return y;
  });
}

/** The newest answer on the page. */
export function answer(page: Page) {
  return page.locator('article.answer').last();
}

/** Waits until the newest answer has ended in this way: it may be a long one. */
export async function ended(page: Page, status: 'done' | 'stopped' | 'failed'): Promise<void> {
  await expect(answer(page)).toHaveAttribute('data-status', status, { timeout: 60_000 });
}

/** The demo agent answers it for a minute: a test has the time to stop it. */
export const LONG = `slow ${'word '.repeat(400)}`;

/** `w1 w2 … wn` in paragraphs of ten, for the demo agent's `slow`: each word contains its position. */
export function numberedWords(count: number): string {
  const words = Array.from({ length: count }, (_, index) => `w${index + 1}`);
  return words
    .map((word, index) => (index > 0 && index % 10 === 0 ? `\n\n${word}` : `${index ? ' ' : ''}${word}`))
    .join('');
}
