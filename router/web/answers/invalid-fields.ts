/** Words Elysia's refusals of a value for programs: which member it is, and what it takes. */
import type { ValidationError } from 'elysia';

interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly anyOf?: readonly Schema[];
}

interface Problem {
  readonly path?: string;
  readonly message?: string;
  readonly schema?: Schema;
  readonly value?: unknown;
}

/** Member of the request → what it takes. The words never repeat what was sent. */
export function invalidFields(error: ValidationError, { url }: Request): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const problem of error.all as readonly Problem[]) {
    const name = problem.path?.replace(/^\//, '') || inQuery(url, problem.value);
    if (name) fields[name] ??= reason(problem);
  }
  return fields;
}

/** Elysia gives no path for a number out of its bounds. It converts the numbers of a query only. */
function inQuery(url: string, value: unknown): string | undefined {
  const query = [...(URL.parse(url)?.searchParams ?? [])];
  return query.find(([, text]) => typeof value === 'number' && Number(text) === value)?.[0];
}

function reason({ schema = {}, message = 'Not valid' }: Problem): string {
  const { anyOf = [], minimum, maximum } = schema;
  const words = anyOf.map((one) => one.const).filter((one) => typeof one === 'string');
  if (words.length > 0 && words.length === anyOf.length) return `One of ${words.join(', ')}`;
  // A number that may be written as text is a union of both.
  const kinds = [schema, ...anyOf].map(({ type }) => type);
  const number = kinds.includes('integer') ? 'A whole number' : kinds.includes('number') ? 'A number' : undefined;
  if (number !== undefined) {
    const least = minimum === undefined ? '' : ` from ${minimum}`;
    return `${number}${least}${maximum === undefined ? '' : ` to ${maximum}`}`;
  }
  if (anyOf.length === 0) return message;
  if (kinds.includes('boolean')) return 'true or false';
  const lengthMax = anyOf.find(({ maxLength }) => maxLength !== undefined)?.maxLength;
  const text = lengthMax === undefined ? 'A text' : `A text of at most ${lengthMax} characters`;
  return kinds.includes('array') ? `${text}, or a list` : text;
}
