import { en } from './en';

/** Every word of the UI. A second language is a file that satisfies this type and one line below. */
export type Text = typeof en;

/** The languages of the UI as BCP 47 tags. */
export type Locale = 'en';

export const locales: Record<Locale, Text> = { en };
