/**
 * Renders the templated files of a seed: replaces `${NAME}` by a value. The value is escaped for the format of the file, so
 * that it cannot end its string and begin another setting. The file name determines the format. Decision 0030 says why YAML is
 * not written by a library.
 */
import { basename, extname } from 'node:path';
import { parseJson } from '../lib/json';

/** Thrown for a template that cannot be rendered. The message names file and variable and never contains a value. */
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

/** As in the first agent-stack, whose seeds have other texts in braces: only such a name is a placeholder. */
const PLACEHOLDER = /\$\{([A-Z_][A-Z0-9_]*)\}/g;

type Insert = (name: string) => string;
type Render = (text: string, insert: Insert, file: string) => string;

/**
 * Returns `text` with every placeholder replaced, in one pass: a `${X}` inside a value is not replaced.
 * Throws `TemplateError` for an unknown variable, a placeholder at a place where the format allows no safe value, a value
 * that the format cannot express, and any placeholder in an unknown format.
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
      return withoutValues;
  }
}

/** A file of another format, such as a program, is written anew as it is. */
function withoutValues(text: string, _: Insert, file: string): string {
  if (text.search(PLACEHOLDER) === -1) return text;
  throw new TemplateError(file, undefined, 'values can be put into .json, .yaml, .env, .md and .txt only.');
}

function renderJson(text: string, insert: Insert, file: string): string {
  const data = parse(() => parseJson(text), file, 'JSON');
  return `${JSON.stringify(
    mapStrings(data, (string) => string.replace(PLACEHOLDER, (_, name) => insert(name)), file),
    null,
    2,
  )}\n`;
}

/** The tokens of a YAML line that matter for placeholders: comments, quoted strings and unquoted placeholders. */
const YAML_TOKENS = /(?<=^|\s)#.*$|'(?:[^'\n]|'')*'|"(?:[^"\\\n]|\\.)*"|\$\{([A-Z_][A-Z0-9_]*)\}/gm;

/**
 * Keeps the author's text, because YAML parsers disagree about plain values (`yes`, `0644`, dates). Inserts values as
 * double-quoted strings, about which parsers agree. Then parses the result and verifies that it equals the data of the
 * seed with the values inserted, so nothing else has changed.
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
    // Comments need no values. Single quotes allow no escapes; the verification below refuses placeholders in them.
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

/**
 * Returns the value as a JSON string, which is a valid YAML string. Also escapes characters that YAML 1.1 reads as line
 * breaks or refuses.
 */
function yamlString(value: string): string {
  const odd = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;
  return JSON.stringify(value).replace(odd, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function renderDotenv(text: string, insert: Insert, file: string): string {
  return text.replace(/^.+$/gm, (line) => {
    if (!line.includes('${') || line.trimStart().startsWith('#')) return line;
    const key = /^\s*(?:export\s+)?[A-Za-z_]\w*\s*=/.exec(line)?.[0];
    const value = line.slice(key?.length ?? 0).trim();
    const bare = /^(["'])([^"']*)\1$/.exec(value)?.[2] ?? value;
    const name = /\$\{([A-Z_][A-Z0-9_]*)\}/.exec(line)?.[1];
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
 * Quotes a value for a .env file. Parsers of .env files agree on single quotes around a value without quotes and
 * backslashes, and nearly agree on escapes in double quotes. For all of them a value ends at its closing quote. They
 * disagree about line breaks, so those are refused.
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

/** Applies `map` to every string value. Throws `TemplateError` for a placeholder in the name of a member. */
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
