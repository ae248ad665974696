import { en } from './en';

/** Every text of the UI. To add a language, add a file of this type and one line below. */
export type Text = typeof en;

/** The languages of the UI as BCP 47 tags. */
export type Locale = 'en';

export const locales: Record<Locale, Text> = { en };
