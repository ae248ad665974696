/** Renders a page or part to a string, and provides texts and asset URLs to its parts. */
import { type ComponentChildren, createContext, type VNode } from 'preact';
import { useContext } from 'preact/hooks';
import { renderToString } from 'preact-render-to-string';
import { type Locale, locales, type Text } from './locales';

/** Gives the public URL of an asset by its plain name, e.g. `app.js`. */
type Assets = (name: string) => string;

interface ViewContext {
  locale: Locale;
  formats: string;
  text: Text;
  assets: Assets;
  isEntry: boolean;
}

interface RenderOptions {
  locale: Locale;
  /** The tag by which numbers and days are written; the language alone if there is none. */
  formats?: string;
  assets?: Assets;
  /** Whether the reader comes from outside, and not from another of our pages. */
  isEntry?: boolean;
}

/** Path of assets for parts that are rendered on their own. Parts use only the icons. */
const plainAssets: Assets = (name) => `/assets/${name}`;

const Context = createContext<ViewContext>({
  locale: 'en',
  formats: 'en',
  text: locales.en,
  assets: plainAssets,
  isEntry: false,
});

/** The texts of the reader's language. */
export function useText(): Text {
  return useContext(Context).text;
}

/** The language of the page. */
export function useLocale(): Locale {
  return useContext(Context).locale;
}

/** The BCP 47 tag by which the reader writes numbers and days. */
export function useFormats(): string {
  return useContext(Context).formats;
}

/** Whether the reader comes to the page from outside. */
export function useIsEntry(): boolean {
  return useContext(Context).isEntry;
}

/** The function that gives an asset's URL. */
export function useAssets(): Assets {
  return useContext(Context).assets;
}

/** Renders a whole document, doctype included. */
export function renderPage(page: VNode, options: RenderOptions & { assets: Assets }): string {
  return `<!doctype html>${renderToString(provide(page, options))}`;
}

/**
 * Renders one part or one live update. Its text may contain line breaks, so a stream has to split it into `data:` lines.
 * Without `assets` icons are taken from `/assets/icons.svg`.
 */
export function renderPart(part: VNode, options: RenderOptions): string {
  return renderToString(provide(part, options));
}

function provide(children: ComponentChildren, options: RenderOptions): VNode {
  const { locale, formats = locale, assets = plainAssets, isEntry = false } = options;
  const value = { locale, formats, text: locales[locale], assets, isEntry };
  return <Context.Provider value={value}>{children}</Context.Provider>;
}
