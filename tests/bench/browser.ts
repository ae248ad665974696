/** A real browser as an instrument: when a page is first painted, what it loads, and the frames of what happens on it. */
import { existsSync } from 'node:fs';
import type { Browser, BrowserContext, CDPSession, Page } from '@playwright/test';
import { median, percentile } from './results';

const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'];
const VIEWPORT = { width: 1440, height: 900 };
/** Of any single step, on a busy machine. */
const TIMEOUT_MS = 120_000;
/** A frame that took longer was late by more than one: of 60 frames a second, each has 16.7 ms. */
const LATE_MS = 34;
/** Pixels a second, as a finger that is in a hurry. */
const SCROLL_SPEED = 4_000;
const SCROLL_PIXELS = 12_000;

/** Where Chromium is, as for the browser tests; `undefined` when it is not there. */
export function chromiumPath(): string | undefined {
  const path = process.env.CHROMIUM_PATH || '/usr/bin/chromium';
  return existsSync(path) ? path : undefined;
}

export async function launch(executablePath: string): Promise<Browser> {
  const { chromium } = await import('@playwright/test');
  return chromium.launch({ executablePath, args: ARGUMENTS });
}

/** Signed in with a cookie, with nothing kept of other pages. */
export async function open(browser: Browser, url: string, cookie: string): Promise<BrowserContext> {
  const context = await browser.newContext({ viewport: VIEWPORT });
  const [name = '', value = ''] = cookie.split('=');
  await context.addCookies([{ name, value, url }]);
  context.setDefaultTimeout(TIMEOUT_MS);
  return context;
}

/** Loads a page several times into an empty cache: when it is first painted, and what it loads to be whole. */
export async function firstPaint(browser: Browser, page: { url: string; cookie: string; times: number }) {
  const paints: number[] = [];
  let wireKb = Number.NaN;
  for (let time = 0; time < page.times; time += 1) {
    const context = await open(browser, page.url, page.cookie);
    const tab = await context.newPage();
    const bytes = await countBytes(await context.newCDPSession(tab));
    await tab.goto(page.url, { waitUntil: 'load' });
    const painted = await tab.waitForFunction(
      () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
    );
    paints.push((await painted.jsonValue()) ?? Number.NaN);
    wireKb = bytes() / 1e3;
    await context.close();
  }
  return { paintMs: median(paints), wireKb };
}

/** Counts the bytes of HTML, styles and scripts as they go over the wire. */
async function countBytes(client: CDPSession): Promise<() => number> {
  const counted = new Set<string>();
  let bytes = 0;
  client.on('Network.responseReceived', ({ requestId, type }) => {
    if (['Document', 'Stylesheet', 'Script'].includes(type)) counted.add(requestId);
  });
  client.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (counted.has(requestId)) bytes += encodedDataLength;
  });
  await client.send('Network.enable');
  return () => bytes;
}

/** Opens a conversation several times with an empty cache, until its last message is seen and one can write. */
export async function opening(browser: Browser, page: { url: string; cookie: string; times: number }) {
  const openMs: number[] = [];
  const tasks: { cpuMs: number; longestMs: number }[] = [];
  for (let time = 0; time < page.times; time += 1) {
    for (const isTraced of [false, true]) {
      const context = await open(browser, page.url, page.cookie);
      const tab = await context.newPage();
      if (isTraced) tasks.push(await cpuOf(tab, 1, async () => void (await untilWritable(tab, page.url))));
      else openMs.push(await untilWritable(tab, page.url));
      await context.close();
    }
  }
  const middle = (name: 'cpuMs' | 'longestMs') => median(tasks.map((task) => task[name]));
  return { openMs: median(openMs), cpuMs: middle('cpuMs'), longestMs: middle('longestMs') };
}

/** Milliseconds from the navigation until a letter that was typed is there, which was begun when the last message was. */
async function untilWritable(page: Page, url: string): Promise<number> {
  const begunMs = performance.now();
  await page.goto(url, { waitUntil: 'commit' });
  const polling = { polling: 'raf' } as const;
  await page.waitForFunction(
    () => {
      const last = [...document.querySelectorAll('#messages article')].at(-1)?.getBoundingClientRect();
      const isPainted = performance.getEntriesByName('first-contentful-paint').length > 0;
      const isSeen = last !== undefined && last.top < innerHeight && last.bottom > 0 && last.bottom <= innerHeight;
      return isPainted && isSeen && document.activeElement?.id === 'composer-text';
    },
    undefined,
    polling,
  );
  await page.keyboard.type('x');
  await page.waitForFunction(
    () => document.querySelector<HTMLTextAreaElement>('#composer-text')?.value === 'x',
    undefined,
    polling,
  );
  return performance.now() - begunMs;
}

/** A page scrolls up from its end. */
export async function scroll(page: Page): Promise<void> {
  const client = await page.context().newCDPSession(page);
  const gesture = { x: VIEWPORT.width / 2, y: VIEWPORT.height / 2, gestureSourceType: 'mouse' } as const;
  await client.send('Input.synthesizeScrollGesture', { ...gesture, yDistance: SCROLL_PIXELS, speed: SCROLL_SPEED });
  await client.detach();
}

/** What the frames of a page took while something happened on it. */
export async function framesOf(page: Page, happens: () => Promise<void>) {
  await page.bringToFront();
  const client = await page.context().newCDPSession(page);
  const tasks = await traceTasks(page, client);
  await page.evaluate(() => {
    const frames: number[] = [];
    Object.assign(window, { frames });
    requestAnimationFrame(function next(time: number) {
      frames.push(time);
      requestAnimationFrame(next);
    });
  });
  await happens();
  const times = await page.evaluate(() => (window as unknown as { frames: number[] }).frames.splice(0));
  const cpuMs = await tasks();
  await client.detach();
  const tookMs = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  return {
    frameP95Ms: percentile(tookMs, 0.95),
    latePercent: (100 * tookMs.filter((ms) => ms > LATE_MS).length) / tookMs.length,
    cpuPerFrameMs: cpuMs.reduce((sum, ms) => sum + ms, 0) / tookMs.length,
    longestMs: Math.max(...cpuMs),
  };
}

/** CPU milliseconds of a page's main thread, for one of several things that happen on it, and its longest task. */
export async function cpuOf(page: Page, times: number, happens: () => Promise<void>) {
  await page.bringToFront();
  const client = await page.context().newCDPSession(page);
  const tasks = await traceTasks(page, client);
  for (let time = 0; time < times; time += 1) await happens();
  const cpuMs = await tasks();
  await client.detach();
  return { cpuMs: cpuMs.reduce((sum, ms) => sum + ms, 0) / times, longestMs: Math.max(...cpuMs) };
}

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** CPU time in microseconds. */
  readonly tdur?: number;
}

/** Says in the trace which thread is the page's: other pages and the browser's own have one, too. */
const MARK = 'bench: this is the page';

/** CPU milliseconds of each task of the page's main thread until it is asked. */
async function traceTasks(page: Page, client: CDPSession): Promise<() => Promise<number[]>> {
  const events: TraceEvent[] = [];
  client.on('Tracing.dataCollected', ({ value }) => events.push(...(value as unknown as TraceEvent[])));
  await client.send('Tracing.start', {
    traceConfig: { includedCategories: ['toplevel', 'blink.user_timing'] },
    transferMode: 'ReportEvents',
  });
  return async () => {
    await page.evaluate((mark) => void performance.mark(mark), MARK);
    const isComplete = new Promise((resolve) => client.once('Tracing.tracingComplete', resolve));
    await client.send('Tracing.end');
    await isComplete;
    const threadOf = ({ pid, tid }: TraceEvent) => `${pid} ${tid}`;
    const main = events.find(({ name }) => name === MARK);
    const isOfPage = (event: TraceEvent) => main !== undefined && threadOf(event) === threadOf(main);
    const tasks = events.filter((event) => event.name.endsWith('RunTask') && isOfPage(event));
    return tasks.map(({ tdur = 0 }) => tdur / 1e3);
  };
}
