/** The reader of a page: their language, how they write numbers, and where they come from. From their setting, or the request's headers. */
import { isLocale, type Locale, locales, type Text } from '../../views/locales';

export interface Reader {
  readonly locale: Locale;
  /** A BCP 47 tag for numbers and days: the language of the page, and the region of the browser, such as `en-DE`. */
  readonly formats: string;
  /** Whether they come to the page from outside: by its address, or from another site. */
  readonly isEntry: boolean;
}

/** Characters of the header that are read. */
const HEADER_LENGTH_MAX = 200;

const known = new WeakMap<Request, Reader>();

/** The texts in the reader's language, for presenters that build one outside of a view. */
export function textOf({ locale }: Reader): Text {
  return locales[locale];
}

/** The reader of what answers a request: as far as it is known, the user who sent it. */
export function readerOf(request: Request): Reader {
  return known.get(request) ?? readerFor(request, null);
}

/** Notes that a request is of a user, whose setting goes before the browser's languages. */
export function setReader(request: Request, language: string | null): Reader {
  const reader = readerFor(request, language);
  known.set(request, reader);
  return reader;
}

function readerFor(request: Request, language: string | null): Reader {
  const tags = languagesIn(request.headers.get('accept-language') ?? '');
  const locale = [language ?? '', ...tags.map((tag) => tag.language)].find(isLocale) ?? 'en';
  const region = tags[0]?.maximize().region;
  return { locale, formats: region === undefined ? locale : `${locale}-${region}`, isEntry: isEntry(request) };
}

/** Browsers send this header over HTTPS and to localhost only. Without it no request counts as an entry. */
function isEntry({ headers }: Request): boolean {
  const site = headers.get('sec-fetch-site');
  return site !== null && site !== 'same-origin';
}

/** The languages that a browser asks for, the preferred one first. */
function languagesIn(header: string): readonly Intl.Locale[] {
  const weighted = header
    .slice(0, HEADER_LENGTH_MAX)
    .split(',')
    .flatMap((entry) => {
      const [tag = '', parameter = 'q=1'] = entry.split(';', 2).map((part) => part.trim());
      const quality = Number(/^q=([\d.]+)$/i.exec(parameter)?.[1]);
      return /^[a-z]{2,3}(?:-[a-z\d]{2,8})*$/i.test(tag) ? [{ tag, quality }] : [];
    });
  return weighted
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality)
    .flatMap(({ tag }) => localeOf(tag));
}

/** @returns nothing for a tag that is shaped like one, and is none. */
function localeOf(tag: string): Intl.Locale[] {
  try {
    return [new Intl.Locale(tag)];
  } catch {
    return [];
  }
}
