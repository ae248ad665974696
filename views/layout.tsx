import type { ComponentChildren } from 'preact';
import { HTMX, SCRIPT, STYLES } from './assets';
import { KeysDialog } from './chat/keys';
import { LiveConnection } from './chat/live-connection';
import { OptionsPlaces } from './chat/options';
import { SearchDialog } from './chat/sidebar/search';
import { Sidebar } from './chat/sidebar/sidebar';
import { Icon } from './icons';
import { TASK_DONE_ID, TASK_OPEN_ID } from './markdown-rules';
import type { Shell } from './models';
import { useAssets, useFormats, useIsEntry, useText } from './render';

/** What loads htmx, before it runs. */
const HTMX_ID = 'htmx';

/** The element whose words name the buttons that copy code. */
export const COPY_CODE_ID = 'copy-code';

interface DocumentProps {
  title: string;
  /** Whether the page requests parts, or has a stream of them. Without them it loads no htmx. */
  parts?: boolean;
  /** Seconds between reloads for readers without JavaScript; absent means never. */
  refreshSeconds?: number | undefined;
  children: ComponentChildren;
}

/** The HTML document around every page. Scripts and styles come from our own origin only, so the CSP stays `'self'`. */
export function Document({ title, parts, refreshSeconds, children }: DocumentProps) {
  const t = useText();
  const assets = useAssets();
  // From outside, the sidebar and the bar above the content are painted as soon as they have come, and the rest when the
  // script has put it where it stays (theme.js). From another of our pages, which the reader sees until then, all is painted at once.
  const isInParts = useIsEntry() && parts;
  return (
    <html lang={t.lang} data-formats={useFormats()} data-entered={isInParts ? '' : undefined}>
      <head>
        <meta charset="utf-8" />
        <meta
          name="viewport"
          content="width=device-width, initial-scale=1, viewport-fit=cover, interactive-widget=resizes-content"
        />
        <meta name="color-scheme" content="light dark" />
        <meta name="theme-color" media="(prefers-color-scheme: light)" content="#fdfcfa" />
        <meta name="theme-color" media="(prefers-color-scheme: dark)" content="#111215" />
        {/* Pages are plain documents, so the browser's own history is the right one. */}
        <meta name="htmx-config" content='{"history": false, "includeIndicatorCSS": false}' />
        <title>{t.pageTitle(title)}</title>
        <link rel="icon" href={assets('favicon.svg')} type="image/svg+xml" />
        {/* So that the page installs as an app. */}
        <link rel="manifest" href={assets('manifest.webmanifest')} />
        <link rel="apple-touch-icon" href={assets('icon-192.png')} />
        <script src={assets('theme.js')} />
        <link rel="stylesheet" href={assets(STYLES)} />
        {/* Scrolls to the newest message, without visible movement. */}
        <script src={assets(SCRIPT)} defer {...(isInParts ? { fetchpriority: 'high' } : { blocking: 'render' })} />
        {/* It runs when the page has been painted: app/after-paint.js. */}
        {parts && <link id={HTMX_ID} rel="preload" href={assets(HTMX)} as="script" fetchpriority="low" />}
        {refreshSeconds !== undefined && (
          <noscript>
            <meta http-equiv="refresh" content={String(refreshSeconds)} />
          </noscript>
        )}
      </head>
      <body data-copied={t.copy.done}>
        {children}
        <span id={COPY_CODE_ID} hidden>
          {t.copy.code}
        </span>
        <span id={TASK_DONE_ID} hidden>
          {t.tasks.done}
        </span>
        <span id={TASK_OPEN_ID} hidden>
          {t.tasks.open}
        </span>
      </body>
    </html>
  );
}

interface AppProps extends DocumentProps {
  shell: Shell;
  /** Whether the search opens over the page. */
  search?: boolean;
  /** The page's own stream, in place of what changes around every page. */
  liveUrl?: string | undefined;
}

/** A signed-in page: the sidebar, and the content as `main`. */
export function AppLayout({ shell, children, search = true, liveUrl = shell.liveUrl, ...document }: AppProps) {
  const t = useText();
  const assets = useAssets();
  return (
    <Document {...document} parts>
      <a class="skip" href="#content">
        {t.skip}
      </a>
      <div class="app" data-notify={assets('notify.js')} data-user={shell.user.id}>
        <Sidebar shell={shell} />
        <main id="content">{children}</main>
      </div>
      <OptionsPlaces />
      {search && <SearchDialog />}
      <KeysDialog />
      <LiveConnection url={liveUrl} />
    </Document>
  );
}

/** A page without the sidebar: one card in the middle. */
export function CardLayout({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <Document title={title}>
      <main id="content" class="card-page">
        {children}
      </main>
    </Document>
  );
}

/** The bar above the content of a page, with its heading. `dir` is `auto` where a person wrote the heading. */
export function TitleBar({ dir, children }: { dir?: 'auto'; children: ComponentChildren }) {
  return (
    <header class="title-bar">
      <SidebarButton />
      <h1 class="ellipsis" dir={dir}>
        {children}
      </h1>
    </header>
  );
}

/** The control that opens the sidebar on screens where it does not fit beside the content. */
export function SidebarButton() {
  const t = useText();
  return (
    <button type="button" class="icon-button narrow-only" popovertarget="sidebar" aria-label={t.sidebar.open}>
      <Icon name="menu" />
    </button>
  );
}
