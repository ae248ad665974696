/** How long it takes until other pages of a user show what one page did. */
import type { BrowserContext, Page } from '@playwright/test';
import { chromiumPath, launch, open } from '../browser';
import { median } from '../results';
import type { RouterUnderTest } from '../router';
import { alternate, type Bench, plain, type Scenario } from '../scenario';
import { MODEL, scriptText } from '../script';
import { ROUTER } from '../subjects';

export const AGREE = 'agree';
const ACTIONS = [
  'a new conversation',
  'an answer, from asking to its end',
  'its new name',
  'deleted',
  'the runner stopped',
] as const;
type Action = (typeof ACTIONS)[number];
/** Times that each is done, for one value. */
const TIMES = 5;
const MOST_MS = 40_000;

/** What a page shows when it agrees: so many elements with the text. */
interface Shown {
  readonly selector: string;
  readonly text: string;
  readonly count: number;
}

interface Sent {
  readonly path: string;
  readonly method: string;
  readonly json?: object;
  readonly form?: Readonly<Record<string, string>>;
}

export const agree: Scenario = {
  name: AGREE,
  tables: [
    {
      name: AGREE,
      title: 'Pages that agree',
      load: 'what one page did',
      note: `From the request of one page until a second tab and a phone of the same user have both shown it, ${TIMES} times a round: the median, and the longest. An answer has 20 pieces that the runner sends at once.`,
      columns: [plain('ms', 'ms', 0), plain('longest ms', 'maxMs', 0)],
    },
  ],
  async run(bench) {
    const executablePath = chromiumPath();
    if (executablePath === undefined) {
      bench.say('agree: skipped, because there is no Chromium here; CHROMIUM_PATH names one');
      return;
    }
    const chromium = await launch(executablePath);
    const { server, cookie } = bench.rig.router;
    try {
      const [desk, phone] = [await open(chromium, server.url, cookie), await open(chromium, server.url, cookie)];
      await measure(bench, desk, phone);
    } finally {
      await chromium.close();
    }
  },
};

async function measure(bench: Bench, desk: BrowserContext, phone: BrowserContext): Promise<void> {
  const { router, subjects } = bench.rig;
  const actor = await desk.newPage();
  const others = [await desk.newPage(), await phone.newPage()];
  await others[1]?.setViewportSize({ width: 360, height: 740 });
  for (const page of [actor, ...others]) await opened(page, `${router.server.url}/`);
  await alternate<Action>(bench, {
    table: AGREE,
    loads: ACTIONS,
    nameOf: (action) => action,
    subjects: () => subjects.filter(({ name }) => name === ROUTER),
    mostMs: MOST_MS,
    measure: async (_, action) => {
      const all: number[] = [];
      for (let time = 0; time < TIMES; time += 1) all.push(await once(router, { action, actor, others }));
      return { ms: median(all), maxMs: Math.max(...all) };
    },
  });
}

async function once(
  router: RouterUnderTest,
  { action, actor, others }: { action: Action; actor: Page; others: readonly Page[] },
): Promise<number> {
  const title = `Tides ${crypto.randomUUID()}`;
  const link = { selector: '#conversations .sidebar-link', text: title };
  const begin = {
    path: `/api/conversations/import?backend=${MODEL}`,
    method: 'POST',
    json: {
      ...{ format: 'agent-stack.conversation', version: 1, title },
      messages: [
        { role: 'user', content: 'When does the tide turn?' },
        { role: 'assistant', content: 'At noon.' },
      ],
    },
  };
  if (action === 'a new conversation') return agreed(actor, others, begin, { ...link, count: 1 });
  if (action === 'the runner stopped') {
    await (await router.ask()).text();
    const badge = { selector: '#sidebar .badge[data-state="stopped"]', text: '' };
    for (const page of others)
      await page.waitForSelector('#sidebar .badge[data-state="running"]', { state: 'attached' });
    return agreed(actor, others, { path: `/api/runners/${MODEL}`, method: 'DELETE' }, { ...badge, count: 1 });
  }
  const made = (await sent(actor, begin)) as { conversation: { id: string } };
  const { id } = made.conversation;
  for (const page of others) await opened(page, `${router.server.url}/conversations/${id}`);
  const path = `/api/conversations/${id}`;
  if (action === 'deleted') return agreed(actor, others, { path, method: 'DELETE' }, { ...link, count: 0 });
  if (action === 'its new name')
    return agreed(
      actor,
      others,
      { path, method: 'PATCH', json: { title: `${title} again` } },
      {
        ...link,
        text: `${title} again`,
        count: 1,
      },
    );
  const text = scriptText({ chunks: 20, paceMs: 0, chunkBytes: 200 });
  const ask = { path: `/conversations/${id}/messages`, method: 'POST', form: { text } };
  return agreed(actor, others, ask, { selector: 'article.answer:not([aria-busy])', text: '', count: 2 });
}

/** Milliseconds from the request to the last page that shows it. */
async function agreed(actor: Page, others: readonly Page[], request: Sent, shown: Shown): Promise<number> {
  for (const page of others) await expecting(page, shown);
  const from = await actor.evaluate(() => Date.now());
  await sent(actor, request);
  const times = await Promise.all(others.map((page) => page.evaluate(() => (window as unknown as Awaiting).seenMs)));
  return Math.max(...times) - from;
}

interface Awaiting {
  seenMs: Promise<number>;
}

/** From here on the page notes when it shows it, without polling, which would make it paint. */
function expecting(page: Page, shown: Shown): Promise<void> {
  return page.evaluate(({ selector, text, count }) => {
    const isShown = () =>
      [...document.querySelectorAll(selector)].filter((one) => one.textContent.includes(text)).length === count;
    const { promise, resolve } = Promise.withResolvers<number>();
    const look = () => isShown() && resolve(Date.now());
    new MutationObserver(look).observe(document.body, {
      subtree: true,
      childList: true,
      attributes: true,
      characterData: true,
    });
    look();
    Object.assign(window, { seenMs: promise });
  }, shown);
}

/** The page has its stream, without which it would show nothing of others. */
async function opened(page: Page, url: string): Promise<void> {
  const live = page.waitForResponse((response) => /event-stream/.test(response.headers()['content-type'] ?? ''));
  await page.goto(url);
  await live;
}

function sent(page: Page, request: Sent): Promise<unknown> {
  return page.evaluate(async ({ path, method, json, form }) => {
    const body = form ? new URLSearchParams(form) : json && JSON.stringify(json);
    const headers: HeadersInit = json ? { 'content-type': 'application/json' } : {};
    const response = await fetch(path, { method, headers, ...(body && { body }) });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return /json/.test(response.headers.get('content-type') ?? '') ? response.json() : undefined;
  }, request);
}
