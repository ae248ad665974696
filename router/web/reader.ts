/** The reader of a page: their language, and how they write numbers. From their setting, or from `Accept-Language`. */
import { isLocale, type Locale, locales, type Text } from '../../views/locales';

export interface Reader {
  readonly locale: Locale;
  /** A BCP 47 tag for numbers and days: the language of the page, and the region of the browser, such as `en-DE`. */
  readonly formats: string;
}

/** What a header may say at most: the rest of a longer one is not read. */
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
  return { locale, formats: region === undefined ? locale : `${locale}-${region}` };
}

/** The languages that a browser asks for, the preferred one first. */
function languagesIn(header: string): readonly Intl.Locale[] {
  const weighted = header
    .slice(0, HEADER_LENGTH_MAX)
    .split(',')
    .flatMap((entry) => {
      const [, tag, quality = '1'] = /^\s*([a-z]{2,3}(?:-[a-z\d]{2,8})*)\s*(?:;\s*q=([\d.]+))?\s*$/i.exec(entry) ?? [];
      return tag === undefined ? [] : [{ tag, quality: Number(quality) }];
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
