/** What a page costs its reader's browser, against the same page as static files. */
import type { Browser, BrowserContext, Page } from '@playwright/test';
import { chromiumPath, cpuOf, firstPaint, framesOf, launch, open, opening, scroll } from '../browser';
import type { RouterUnderTest } from '../router';
import { alternate, type Bench, plain, ratio, type Scenario } from '../scenario';
import { MODEL, scriptText } from '../script';
import { firstPageOf, HTML, serveStatic } from '../static-page';
import { ROUTER, type Subject } from '../subjects';
import { MANY_LINES, TEXTS, type TextKind } from '../texts';

export const PAINT = 'browser, first paint';
export const OPENING = 'browser, opening';
export const SCROLL = 'browser, scroll';
const EARLIER = 'browser, earlier messages';
export const LINES = 'browser, stream';
export const CODE = `${MANY_LINES.toLocaleString('en')} lines of code`;
const TABLE = 'a table of 64 KB';
export const STATIC = 'static page';
const CONVERSATIONS = 1_000;
const MESSAGES = 2_000;
/** Times that earlier messages come, for one value. */
const EARLIER_TIMES = 3;
/** Loads of a page for one value. */
const LOADS = 5;
const MOST_MS = 25_000;
/** Of an answer on the page. */
const ANSWER_LENGTH = 900;

export const browser: Scenario = {
  name: 'browser',
  tables: [
    {
      name: PAINT,
      title: 'The first page in a browser',
      note: `The page after signing in, at its own address, of a user with ${CONVERSATIONS.toLocaleString('en')} conversations, in Chromium with an empty cache. The static page is the same files with the same headers: the HTML, the styles, the icons, and the scripts, which it loads and does not run.`,
      columns: [
        plain('first contentful paint ms', 'paintMs', 0),
        ratio('× static', 'paintMs', STATIC),
        plain('KB on the wire', 'wireKb', 1),
      ],
    },
    {
      name: OPENING,
      title: 'Opening a long conversation in a browser',
      note: `From the navigation to a conversation of ${MESSAGES.toLocaleString('en')} messages, with an empty cache, until its last message is painted and a letter that is typed stands in the composer. The longest task is one of the page's main thread.`,
      columns: [plain('ms', 'openMs', 0), plain('CPU ms', 'cpuMs', 0), plain('longest task, CPU ms', 'longestMs', 1)],
    },
    {
      name: SCROLL,
      title: 'A long conversation in a browser',
      note: `Scrolling through a conversation of ${MESSAGES.toLocaleString('en')} messages, all of which are on the page. The static page is the same messages without our styles and scripts. A frame is late that takes longer than two of 60 a second.`,
      columns: [
        plain('frame p95 ms', 'frameP95Ms', 1),
        plain('late frames %', 'latePercent', 1),
        plain('CPU ms/frame', 'cpuPerFrameMs', 2),
        ratio('× static', 'cpuPerFrameMs', STATIC),
      ],
    },
    {
      name: EARLIER,
      title: 'Earlier messages in a browser',
      note: 'The next 50 messages above those of a page, until the browser has painted what follows from them.',
      columns: [plain('CPU ms', 'cpuMs', 1), plain('longest task, CPU ms', 'longestMs', 1)],
    },
    {
      name: LINES,
      title: 'A fast answer in a browser',
      load: 'text',
      note: 'An answer that the runner sends as fast as the router takes it, in a page that follows it; a page shows the first 64 KB.',
      columns: [
        plain('frame p95 ms', 'frameP95Ms', 1),
        plain('late frames %', 'latePercent', 1),
        plain('longest task, CPU ms', 'longestMs', 1),
      ],
    },
  ],
  async run(bench) {
    const executablePath = chromiumPath();
    if (executablePath === undefined) {
      bench.say('browser: skipped, because there is no Chromium here; CHROMIUM_PATH names one');
      return;
    }
    const chromium = await launch(executablePath);
    try {
      await measure(bench, chromium);
    } finally {
      await chromium.close();
    }
  },
};

async function measure(bench: Bench, chromium: Browser): Promise<void> {
  const { router } = bench.rig;
  const { isQuick } = bench.options;
  bench.say('browser: making conversations');
  const id = await importLong(router, isQuick ? MESSAGES / 10 : MESSAGES);
  await router.conversations(isQuick ? CONVERSATIONS / 10 : CONVERSATIONS);
  const context = await open(chromium, router.server.url, router.cookie);
  const conversation = await context.newPage();
  await conversation.goto(`${router.server.url}/conversations/${id}`);
  await loadAll(conversation);
  const long = await conversation.locator('#messages').evaluate((messages) => messages.outerHTML);
  const first = await firstPageOf(router);
  const longCopy = `<!doctype html><meta charset="utf-8"><style>svg { width: 18px; height: 18px }</style>${long}`;
  using server = serveStatic({ ...first.files, '/long': { text: longCopy, type: HTML } });
  const copy = await context.newPage();
  await copy.goto(`http://127.0.0.1:${server.port}/long`);
  const subjects: Subject[] = [
    { name: ROUTER, port: router.server.port, headers: {}, isPeer: false },
    { name: STATIC, port: server.port ?? 0, headers: {}, isPeer: false },
  ];
  const one = { loads: [''], nameOf: (load: string) => load, mostMs: MOST_MS };
  const isOurs = ({ name }: Subject) => name === ROUTER;
  await alternate(bench, {
    ...one,
    table: PAINT,
    subjects: () => subjects,
    measure: (subject) => {
      const url = isOurs(subject) ? first.url : `http://127.0.0.1:${subject.port}/first`;
      return firstPaint(chromium, { url, cookie: router.cookie, times: LOADS });
    },
  });
  await alternate(bench, {
    ...one,
    table: OPENING,
    subjects: () => subjects.filter(isOurs),
    measure: () =>
      opening(chromium, { url: `${router.server.url}/conversations/${id}`, cookie: router.cookie, times: LOADS }),
  });
  await alternate(bench, {
    ...one,
    table: SCROLL,
    subjects: () => subjects,
    measure: async (subject) => {
      const page = isOurs(subject) ? conversation : copy;
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
      return framesOf(page, () => scroll(page));
    },
  });
  await alternate(bench, {
    ...one,
    table: EARLIER,
    subjects: () => subjects.filter(isOurs),
    measure: async () => {
      const page = await context.newPage();
      await page.goto(`${router.server.url}/conversations/${id}`);
      await loadEarlier(page);
      const cost = await cpuOf(page, EARLIER_TIMES, () => loadEarlier(page));
      await page.close();
      return cost;
    },
  });
  await alternate(bench, {
    table: LINES,
    loads: [CODE, TABLE],
    nameOf: (load) => load,
    mostMs: MOST_MS,
    subjects: () => subjects.filter(isOurs),
    measure: (_, load) => answerIn(context, router, load === CODE ? 'lines' : 'rows'),
  });
}

/** A conversation with answers of all kinds. Returns its id. */
async function importLong({ server, cookie }: RouterUnderTest, count: number): Promise<string> {
  const kinds = [TEXTS.prose, TEXTS.code, TEXTS.list, TEXTS.table].map((text) => text.slice(0, ANSWER_LENGTH));
  const messages = Array.from({ length: count }, (_, n) =>
    n % 2 === 0
      ? { role: 'user', content: `Question ${n / 2}: when does the tide turn, and who remarks on it?` }
      : { role: 'assistant', content: `Answer ${n}.\n\n${kinds[((n - 1) / 2) % kinds.length]}` },
  );
  const response = await fetch(`${server.url}/api/conversations/import?backend=${MODEL}`, {
    method: 'POST',
    headers: { cookie, 'content-type': 'application/json' },
    body: JSON.stringify({ format: 'agent-stack.conversation', version: 1, title: 'A year of tides', messages }),
  });
  if (!response.ok) throw new Error(`The router refused an import with ${response.status}: ${await response.text()}`);
  return ((await response.json()) as { conversation: { id: string } }).conversation.id;
}

/** All earlier messages, as a reader gets them. */
async function loadAll(page: Page): Promise<void> {
  while ((await page.locator('.earlier a').count()) > 0) await loadEarlier(page);
}

/** The messages before those on a page, until they are painted. Does not poll, which would make the browser paint. */
async function loadEarlier(page: Page): Promise<void> {
  await page.waitForFunction(() => 'htmx' in window);
  await page.evaluate(
    () =>
      new Promise<void>((painted) => {
        const link = document.querySelector<HTMLElement>('.earlier a');
        const log = document.querySelector('#messages');
        if (!link || !log) return painted();
        const frame = (then: () => void) => requestAnimationFrame(() => setTimeout(then));
        const observer = new MutationObserver(() => {
          if (link.isConnected) return;
          observer.disconnect();
          frame(() => frame(painted));
        });
        observer.observe(log, { childList: true, subtree: true });
        link.click();
      }),
  );
}

/** Asks in the page of another conversation, and sees the answer to its end. */
async function answerIn(context: BrowserContext, router: RouterUnderTest, text: TextKind) {
  const [id] = await router.conversations(1);
  const page = await context.newPage();
  await page.goto(`${router.server.url}/conversations/${id}`);
  const answers = page.locator('article.answer');
  const before = await answers.count();
  await page.locator('#composer-text').fill(scriptText({ chunks: 0, paceMs: 0, chunkBytes: 0, text }));
  const frames = await framesOf(page, async () => {
    await page.locator('#composer-actions button').click();
    await page.waitForFunction(
      (count) => document.querySelectorAll('article.answer:not([aria-busy])').length > count,
      before,
    );
  });
  await page.close();
  return frames;
}
