/**
 * Finds entries of a known runtime that lack members which the shipped `backends.json` has for it. The first agent-stack
 * had these rules in its code, so its file loads, and then its agents get no session or the whole history twice.
 * `backends/shapes.json` repeats the shipped members, because people edit `backends.json`.
 */
import shapes from '../../backends/shapes.json';
import { isJsonObject, parseJson } from '../lib/json';

/** Members that say how requests are shaped for a runtime. Without them an agent answers, but wrongly. */
export const SHAPING = [
  'headers',
  'session_body',
  'omit_body',
  'history',
  'stream_lacks_role',
  'model',
  'paths',
] as const;

interface MissingMembers {
  /** Name of the entry. */
  readonly entry: string;
  /** Lines of JSON to add to the entry. */
  readonly add: string;
}

/**
 * Compares each entry with the shipped one of the same image, whatever its tag, or else of the same name.
 * @param json a valid `backends.json`.
 */
export function missingMembers(json: string): readonly MissingMembers[] {
  const entries: unknown = parseJson(json);
  if (!Array.isArray(entries)) return [];
  return entries.flatMap((entry) => {
    const known = isJsonObject(entry) ? shippedFor(entry) : undefined;
    if (!known || !isJsonObject(entry)) return [];
    const missing = SHAPING.filter((member) => known[member] !== undefined && (entry[member] ?? null) === null);
    const add = missing.map((member) => `${JSON.stringify(member)}: ${JSON.stringify(known[member])}`).join(',\n');
    return add === '' ? [] : [{ entry: String(entry.name), add }];
  });
}

function shippedFor({ name, image }: Record<string, unknown>): Record<string, unknown> | undefined {
  const all: readonly Record<string, unknown>[] = shapes;
  const repository = typeof image === 'string' ? repositoryOf(image) : undefined;
  return all.find((known) => known.image === repository) ?? all.find((known) => known.name === name);
}

/** The last two parts of an image's name, without tag, digest and registry. */
export function repositoryOf(image: string): string {
  const [named = ''] = image.split('@', 1);
  return named
    .replace(/:[^/:]*$/, '')
    .split('/')
    .slice(-2)
    .join('/');
}
