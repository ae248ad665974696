/**
 * Every page and its main states, and the walk over them. A page that is missing here fails the test of the
 * routes (tests/web/route-walk.test.ts), and so does a row without a page.
 */
import type { Page } from '@playwright/test';
import type { Place } from './every-page-place';

/** Who sees a page. Alice is a user. */
const VISITORS = ['out', 'alice', 'admin'] as const;
export type Visitor = (typeof VISITORS)[number];

interface Visit {
  readonly who: Visitor;
  path(place: Place): string | Promise<string>;
  /** Brings the page into its state, in any language and at any width. */
  readonly open?: (page: Page) => Promise<void>;
}

const at = (who: Visitor, path: Visit['path'] | string, open?: Visit['open']): Visit => ({
  ...{ who, path: typeof path === 'string' ? () => path : path },
  ...(open && { open }),
});

const click = (selector: string) => async (page: Page) => {
  for (const one of await page.locator(selector).all()) await one.click();
};
/** Opens what a button of the page opens. */
/** The button of the menu of a conversation, which is a link until htmx runs. */
const OPTIONS = '[id^=bar-options-][data-htmx-powered]';
const opened = (button: string, what: string) => async (page: Page) => {
  await page.locator(button).first().click();
  await page.locator(what).waitFor();
};
const pressed = (key: string, what: string) => async (page: Page) => {
  await page.keyboard.press(key);
  await page.locator(what).waitFor();
};
/** Sends a form with what is wrong in it. */
const refused = (form: string, values: Readonly<Record<string, string>>) => async (page: Page) => {
  for (const [name, value] of Object.entries(values)) await page.locator(`${form} [name="${name}"]`).fill(value);
  await page.locator(`${form} button[type=submit]`).last().click();
  await page.locator('[aria-invalid=true], [role=alert]').first().waitFor();
};

async function openAccountMenu(page: Page): Promise<void> {
  const sidebar = page.locator('button[popovertarget=sidebar]:not([popovertargetaction])');
  if (await sidebar.isVisible()) await sidebar.click();
  await opened('button[popovertarget=account-menu]', '#account-menu')(page);
}

async function createKey(page: Page): Promise<void> {
  await page.locator('#keys [name=name]').fill('Laptop');
  await page.locator('#keys form[action="/settings/keys"] button[type=submit]').last().click();
  await page.locator('#created-key').waitFor();
}

const unfold = click('main summary');
const ofAgent = (part: string) => (place: Place) => `/agents/${place.demo}${part}`;
const everything = ({ everything }: Place) => `/conversations/${everything}`;

/** Route → what is looked at. */
export const PAGES: Readonly<Record<string, readonly Visit[]>> = {
  'GET /sign-in': [
    at('out', '/sign-in'),
    at('out', '/sign-in', refused('main', { email: 'nobody@example.org', password: 'x' })),
  ],
  'GET /sign-up': [
    at('out', '/sign-up'),
    at('out', '/sign-up', refused('main', { name: 'A', email: 'a@b.example', password: 'short' })),
  ],
  'GET /sign-up/:token': [at('out', ({ invitation }) => invitation), at('out', '/sign-up/not-a-link')],
  'GET /reset/:token': [at('out', ({ reset }) => reset)],
  'GET /docs': [at('out', '/docs')],
  'GET /docs/:part': ['agents', 'openai', 'objects'].map((part) => at('out', `/docs/${part}`)),
  'GET /agents/:id': [
    at('alice', ofAgent('')),
    at('alice', ({ unavailable }) => `/agents/${unavailable}`),
    at('alice', '/agents/nobody'),
    at('alice', ofAgent(''), openAccountMenu),
    at('alice', ofAgent(''), async (page) => {
      await openAccountMenu(page);
      await opened('#keys-open', '#keys-dialog[open]')(page);
    }),
    at('alice', ofAgent(''), pressed('Control+k', '#search-dialog[open]')),
    at('alice', ofAgent(''), opened('.runner-button', '#runner-menu')),
  ],
  'GET /conversations/:id': [
    at('alice', everything),
    at('alice', everything, unfold),
    at('alice', everything, opened('article.user [popovertarget^=delete-]', '[id^=delete-]:popover-open')),
    at('alice', everything, opened(OPTIONS, '#options:popover-open [role="menu"]')),
    at('alice', everything, async (page) => {
      await opened(OPTIONS, '#options:popover-open [role="menu"]')(page);
      await opened('#options [role="menuitem"]', '#options:popover-open #rename-title')(page);
    }),
    at('alice', ({ archived }) => `/conversations/${archived}`),
    at('alice', (place) => place.begin('fail')),
    at(
      'alice',
      (place) => place.begin(`slow ${'word '.repeat(600)}`),
      async (page) => {
        await page.locator('article.answer .prose:not(:empty)').waitFor();
      },
    ),
    at(
      'alice',
      (place) => place.beginAsleep('echo awake'),
      async (page) => {
        await page.locator('article.answer progress').waitFor();
      },
    ),
  ],
  'GET /conversations/:id/options': [at('alice', ({ everything }) => `/conversations/${everything}/options`)],
  'GET /messages/:id/edit': [at('alice', ({ message }) => `/messages/${message}/edit`)],
  'GET /conversations': [at('alice', '/conversations'), at('alice', '/conversations?shelf=archived')],
  'GET /search': [at('alice', '/search?q=demo'), at('alice', '/search?q=zzzzzz')],
  'GET /agents': [at('alice', '/agents')],
  'GET /agents/:id/settings': [
    at('alice', ofAgent('/settings'), unfold),
    at('alice', ({ direct }) => `/agents/${direct}/settings`),
  ],
  'GET /agents/:id/schedules': [
    at('alice', ofAgent('/schedules')),
    at('alice', ofAgent('/schedules'), opened('a[href*="?edit="]', '.schedule > .schedule-form')),
  ],
  'GET /agents/:id/files': [
    at('alice', ofAgent('/files')),
    at('alice', ofAgent('/files?path=a-folder')),
    at('alice', ofAgent('/files?path=a-folder/notes.md')),
  ],
  'GET /agents/:id/files/size': [at('alice', ofAgent('/files/size'))],
  'GET /agents/:id/runner': [at('alice', ofAgent('/runner'))],
  'GET /settings': [
    at('alice', '/settings'),
    at('alice', '/settings', unfold),
    at('alice', '/settings', createKey),
    at('admin', '/settings', unfold),
  ],
  'GET /usage': [at('alice', '/usage', unfold), at('admin', '/usage')],
  'GET /admin/start': ['model', 'share', 'invite', 'answer'].map((step) => at('admin', `/admin/start?step=${step}`)),
  'GET /admin/overview': [at('admin', '/admin/overview')],
  'GET /admin/runners': [at('admin', '/admin/runners')],
  'GET /admin/runners/:id': [at('admin', ({ demo }) => `/admin/runners/${demo}`)],
  'GET /admin/backends': [at('admin', '/admin/backends')],
  'GET /admin/users': [at('admin', '/admin/users'), at('alice', '/admin/users')],
  'GET /admin/users/:id': [at('admin', ({ user }) => `/admin/users/${user}`)],
  'GET /admin/users/:id/limits': [at('admin', ({ user }) => `/admin/users/${user}/limits`)],
  'GET /admin/limits': [at('admin', '/admin/limits', unfold)],
  'GET /admin/invitations': [at('admin', '/admin/invitations')],
  'GET /admin/keys': [at('admin', '/admin/keys')],
  'GET /admin/usage': [at('admin', '/admin/usage', unfold)],
  'GET /admin/prices': [at('admin', '/admin/prices'), at('admin', '/admin/prices?model=gpt-5.5')],
  'GET /admin/budgets': [at('admin', '/admin/budgets')],
  'GET /admin/audit': [at('admin', '/admin/audit')],
};

/** Signs in, or out. */
async function become(page: Page, { people }: Place, who: Visitor, url: string): Promise<void> {
  const context = page.context();
  await context.clearCookies();
  if (who === 'out') return;
  const [name = '', value = ''] = people[who].cookie.split(/=(.*)/s);
  await context.addCookies([{ name, value, url }]);
}

/** Each with its name, in the order of the pages. */
export const visits: readonly (readonly [name: string, Visit])[] = Object.entries(PAGES).flatMap(([route, all]) =>
  all.map((visit, index): [string, Visit] => [`${route}${index > 0 ? ` (${index + 1})` : ''}`, visit]),
);

/** Opens each of the visits in the browser, by default all, as its visitor, and has it looked at. */
export async function walk(
  page: Page,
  { place, url, of = visits }: { readonly place: Place; readonly url: string; readonly of?: typeof visits },
  look: (name: string) => Promise<void>,
): Promise<void> {
  page.setDefaultTimeout(30_000);
  for (const who of VISITORS) {
    await become(page, place, who, url);
    for (const [name, visit] of of.filter(([, one]) => one.who === who)) {
      await page.goto(await visit.path(place));
      await visit.open?.(page);
      await look(name);
      await place.wake();
    }
  }
}
