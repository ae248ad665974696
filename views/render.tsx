// Renders a page or part to a string, and provides texts and asset URLs to its parts.
import { type ComponentChildren, createContext, type VNode } from 'preact';
import { useContext } from 'preact/hooks';
import { renderToString } from 'preact-render-to-string';
import { type Locale, locales, type Text } from './locales';

/** Gives the public URL of an asset by its plain name, e.g. `app.js`. */
export type Assets = (name: string) => string;

interface ViewContext {
  locale: Locale;
  text: Text;
  assets: Assets;
}

/** Path of assets for parts that are rendered on their own. Parts use only the icons. */
const plainAssets: Assets = (name) => `/assets/${name}`;

const Context = createContext<ViewContext>({ locale: 'en', text: locales.en, assets: plainAssets });

/** The texts of the reader's language. */
export function useText(): Text {
  return useContext(Context).text;
}

/** The reader's language as a BCP 47 tag. */
export function useLocale(): Locale {
  return useContext(Context).locale;
}

/** The function that gives an asset's URL. */
export function useAssets(): Assets {
  return useContext(Context).assets;
}

/** Renders a whole document, doctype included. */
export function renderPage(page: VNode, options: { assets: Assets; locale: Locale }): string {
  return `<!doctype html>${renderToString(provide(page, options))}`;
}

/**
 * Renders one part or one live update. Its text may contain line breaks, so a stream has to split it into `data:` lines.
 * Without `assets` icons are taken from `/assets/icons.svg`.
 */
export function renderPart(part: VNode, options: { locale: Locale; assets?: Assets }): string {
  return renderToString(provide(part, { assets: options.assets ?? plainAssets, locale: options.locale }));
}

function provide(children: ComponentChildren, options: { assets: Assets; locale: Locale }): VNode {
  const value = { locale: options.locale, text: locales[options.locale], assets: options.assets };
  return <Context.Provider value={value}>{children}</Context.Provider>;
}
