import { en } from './en';
import { zh } from './zh';

/** Every text of the UI. To add a language, add a file of this type and one line below. */
export type Text = typeof en;

export const locales = { en, zh } satisfies Record<string, Text>;

/** The languages of the UI. */
export type Locale = keyof typeof locales;

/** What each language calls itself. */
export const languageNames: Record<Locale, string> = { en: 'English', zh: '简体中文' };

export function isLocale(name: string): name is Locale {
  return Object.hasOwn(locales, name);
}
