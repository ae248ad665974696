/** Fills in the defaults of a TypeBox schema, and lists the violations of one, in files and settings that people write. */
import { KindGuard, type TObject, type TSchema } from '@sinclair/typebox';
import { Value, type ValueError } from '@sinclair/typebox/value';
import { isJsonObject } from './json';

/**
 * `value` with the defaults of its missing members. A value that is not an object is returned unchanged, so that
 * validation refuses it. Not `Value.Default`, which merges an array and an object into a value that passes the check.
 */
export function withDefaults(schema: TObject, value: unknown): unknown {
  if (!isJsonObject(value)) return value;
  const filled: Record<string, unknown> = { ...value };
  for (const [name, member] of Object.entries(schema.properties)) {
    const own = filled[name];
    if (own === undefined && 'default' in member) filled[name] = structuredClone(member.default);
    else if (isJsonObject(own) && isJsonObject(member.default))
      filled[name] = { ...structuredClone(member.default), ...own };
    if (KindGuard.IsObject(member) && filled[name] !== undefined) filled[name] = withDefaults(member, filled[name]);
  }
  return filled;
}

/** All violations of `schema`, the first at each place, as `<label>/<place>: <expectation> (got <value>)`. */
export function schemaProblems(label: string, schema: TSchema, value: unknown): string[] {
  // The check is faster than the search for errors.
  if (Value.Check(schema, value)) return [];
  const byPath = new Map<string, string>();
  for (const error of Value.Errors(schema, value)) {
    if (!byPath.has(error.path)) byPath.set(error.path, `${label}${error.path}: ${explain(error)}`);
  }
  return [...byPath.values()];
}

function explain({ message, schema, value }: ValueError): string {
  const expectation =
    /^(Expected required|Unexpected)/.test(message) || !hasRule(schema) ? message : `expected ${schema.rule}`;
  const got = value === undefined ? '' : ` (got ${JSON.stringify(value).slice(0, 80)})`;
  return `${expectation.charAt(0).toLowerCase()}${expectation.slice(1)}${got}`;
}

function hasRule(schema: TSchema): schema is TSchema & { rule: string } {
  return typeof schema.rule === 'string';
}
