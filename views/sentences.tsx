/** The router's own sentences for people: in their language, and without the names of settings. */
import { type Locale, locales } from './locales';
import { zhSentences } from './locales/zh-sentences';
import { useLocale } from './render';

/** The values of an English sentence in their order, and the words of a language around them. */
interface Pattern {
  /** The words between the values. */
  readonly parts: readonly string[];
  readonly translation: string;
}

/** English needs none: the sentences are its own. */
const tables: Partial<Record<Locale, Readonly<Record<string, string>>>> = { zh: zhSentences };

const patterns = new Map<Locale, readonly Pattern[]>();

function patternsOf(locale: Locale): readonly Pattern[] {
  const known = patterns.get(locale);
  if (known) return known;
  const made = Object.entries(tables[locale] ?? {})
    .filter(([sentence]) => sentence.includes('{}'))
    .map(([sentence, translation]) => ({ parts: sentence.split('{}'), translation }))
    // The one that says most fits best.
    .sort((a, b) => b.parts.join('').length - a.parts.join('').length);
  patterns.set(locale, made);
  return made;
}

/** The values of a sentence, if it is of this form. */
function valuesIn(sentence: string, { parts }: Pattern): string[] | undefined {
  const [first = '', ...rest] = parts;
  if (!sentence.startsWith(first)) return undefined;
  const values: string[] = [];
  let at = first.length;
  for (const [index, part] of rest.entries()) {
    const isLast = index === rest.length - 1;
    const end = isLast ? sentence.length - part.length : sentence.indexOf(part, at);
    if (end < at || !sentence.startsWith(part, end)) return undefined;
    values.push(sentence.slice(at, end));
    at = end + part.length;
  }
  return values;
}

/** A sentence of the router, which is English, in another language; as it is where that has none for it. */
export function translate(locale: Locale, sentence: string): string {
  const exact = tables[locale]?.[sentence];
  if (exact !== undefined) return exact;
  for (const pattern of patternsOf(locale)) {
    const values = valuesIn(sentence, pattern);
    if (!values) continue;
    let next = 0;
    // A value may be a sentence too: the reason in a longer one.
    return pattern.translation.replace(/\{(\d?)\}/g, (_, place: string) => {
      const index = place === '' ? next++ : Number(place) - 1;
      return translate(locale, values[index] ?? '');
    });
  }
  return sentence;
}

/**
 * A sentence of the router in the reader's language. Settings have in pages the names of their fields, and in the API those
 * of variables.
 */
export function Sentence({ of }: { of: string | undefined }) {
  const locale = useLocale();
  const { names } = locales[locale].credentials;
  // Chinese has a space beside a name in Latin letters only.
  const beside = (name: string, end: RegExp, space: string) => (end.test(name) ? '' : space);
  return translate(locale, of ?? '').replace(
    /( ?)\b(LLM_[A-Z_]+)\b( ?)/g,
    (_, before: string, variable: string, after: string) => {
      const name = names[variable] ?? variable;
      return beside(name, /^\p{Script=Han}/u, before) + name + beside(name, /\p{Script=Han}$/u, after);
    },
  );
}
