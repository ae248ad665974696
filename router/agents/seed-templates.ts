/**
 * Renders the files of a seed: `${NAME}` becomes a value, as data of the format, never as text that could end a string
 * and begin a setting. The name of the file decides the format.
 */
import { basename, extname } from 'node:path';
import { parseJson } from '../lib/json';

/** A template that cannot be rendered. The message names file and variable and never contains a value. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
  constructor(
    /** Path within the seed. */
    readonly file: string,
    /** The name between the braces; undefined when the file as a whole is wrong. */
    readonly variable: string | undefined,
    reason: string,
  ) {
    super(variable === undefined ? `${file}: ${reason}` : `${file}: \${${variable}}: ${reason}`);
  }
}

export type Variables = Readonly<Record<string, string>>;

const PLACEHOLDER = /\$\{([^}\n]*)\}/g;

type Insert = (name: string) => string;
type Render = (text: string, insert: Insert, file: string) => string;

/**
 * The text of `file` with every placeholder replaced, in one pass: a `${X}` inside a value stays what it is.
 * Throws `TemplateError` for a variable that is not given, a placeholder where the format has no safe place for it, a
 * value the format cannot hold, and a format that is not known.
 */
export function renderTemplate(file: string, text: string, variables: Variables): string {
  const insert: Insert = (name) => {
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
    if (value === undefined) throw new TemplateError(file, name, 'there is no such variable.');
    return value;
  };
  return formatOf(file)(text, insert, file);
}

function formatOf(file: string): Render {
  const name = basename(file).toLowerCase();
  if (name === '.env' || name.startsWith('.env.') || name.endsWith('.env')) return renderDotenv;
  switch (extname(name)) {
    case '.json':
      return renderJson;
    case '.yaml':
    case '.yml':
      return renderYaml;
    case '.md':
    case '.txt':
      return renderPlain;
    default:
      throw new TemplateError(file, undefined, 'values can be put into .json, .yaml, .env, .md and .txt only.');
  }
}

function renderJson(text: string, insert: Insert, file: string): string {
  const data = parse(() => parseJson(text), file, 'JSON');
  return `${JSON.stringify(
    mapStrings(data, (string) => string.replace(PLACEHOLDER, (_, name) => insert(name)), file),
    null,
    2,
  )}\n`;
}

/** What a line of YAML is made of, as far as placeholders care. */
const YAML_TOKENS = /(?<=^|\s)#.*$|'(?:[^'\n]|'')*'|"(?:[^"\\\n]|\\.)*"|\$\{([^}\n]*)\}/gm;

/**
 * Keeps the author's text, since YAML's many readers disagree about plain values (`yes`, `0644`, dates), and inserts
 * values as double-quoted strings, about which they agree. That nothing else changed is then proved: read again, the
 * result must be the seed's own data with the values in place.
 */
function renderYaml(text: string, insert: Insert, file: string): string {
  const marks = new Map<string, string>();
  const marked = text.replace(PLACEHOLDER, (_, name) => {
    const mark = `placeholder${crypto.randomUUID().replaceAll('-', '')}`;
    marks.set(mark, name);
    return mark;
  });
  const seed = parse(() => Bun.YAML.parse(marked), file, 'YAML');
  const withValues = (string: string) =>
    string.replace(/placeholder[0-9a-f]{32}/g, (mark) => insert(marks.get(mark) ?? mark));
  const expected = mapStrings(seed, withValues, file);

  const rendered = text.replace(YAML_TOKENS, (token, bare?: string) => {
    // In comments nothing is needed; in single quotes nothing could be escaped, and the proof below refuses it.
    if (/^[#']/.test(token)) return token;
    if (bare !== undefined) return yamlString(insert(bare));
    return token.replace(PLACEHOLDER, (_, name) => yamlString(insert(name)).slice(1, -1));
  });
  if (!isSame(rendered, expected)) {
    throw new TemplateError(file, undefined, 'a placeholder must stand alone, or within double quotes on one line.');
  }
  return rendered;
}

function isSame(yaml: string, expected: unknown): boolean {
  try {
    return Bun.deepEquals(Bun.YAML.parse(yaml), expected, true);
  } catch {
    return false;
  }
}

/** JSON's escapes are YAML's. What YAML 1.1 takes for a line break or refuses to read is escaped as well. */
function yamlString(value: string): string {
  const odd = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;
  return JSON.stringify(value).replace(odd, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function renderDotenv(text: string, insert: Insert, file: string): string {
  return text.replace(/^(?!\s*#).*\$\{.*$/gm, (line) => {
    const [, key, value = ''] = /^(\s*(?:export\s+)?[A-Za-z_]\w*\s*=)\s*(.*?)\s*$/.exec(line) ?? [];
    const bare = /^(["'])([^"']*)\1$/.exec(value)?.[2] ?? value;
    const name = /\$\{([^}]*)\}/.exec(line)?.[1];
    if (key === undefined || /["'\s\\]/.test(bare)) {
      throw new TemplateError(file, name, 'in a .env file it must stand in the value of KEY=value.');
    }
    return (
      key +
      dotenvString(
        bare.replace(PLACEHOLDER, (_, each) => insert(each)),
        file,
        name,
      )
    );
  });
}

/**
 * Readers of .env files agree on single quotes around a value without quotes and backslashes, and nearly agree on
 * escapes in double quotes. None of them lets a value go on after its quote; about line breaks they differ.
 */
function dotenvString(value: string, file: string, name: string | undefined): string {
  if (/\p{Cc}/u.test(value)) throw new TemplateError(file, name, 'the value has control characters or line breaks.');
  return /['\\]/.test(value) ? `"${value.replace(/["\\$`]/g, '\\$&')}"` : `'${value}'`;
}

function renderPlain(text: string, insert: Insert, file: string): string {
  return text.replace(PLACEHOLDER, (_, name) => {
    const value = insert(name);
    if (/(?![\n\t])\p{Cc}/u.test(value)) throw new TemplateError(file, name, 'the value has control characters.');
    return value;
  });
}

function parse(read: () => unknown, file: string, format: string): unknown {
  try {
    return read();
  } catch (cause) {
    throw new TemplateError(
      file,
      undefined,
      `it is not valid ${format}: ${cause instanceof Error ? cause.message : ''}`,
    );
  }
}

/** Maps every string value; names of members must be the seed's own. */
function mapStrings(value: unknown, map: (string: string) => string, file: string): unknown {
  if (typeof value === 'string') return map(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, map, file));
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([key, member]) => {
    if (map(key) !== key) throw new TemplateError(file, undefined, 'a placeholder may stand in values, not in names.');
    return [key, mapStrings(member, map, file)];
  });
  return Object.fromEntries(members);
}
