import { expect, test } from 'bun:test';
import { locales } from '../../views/locales';

const root = `${import.meta.dir}/../../views`;
const files = [...new Bun.Glob('**/*.tsx').scanSync(root)];

/** Attributes that people see or hear. */
const spoken = /(?:"aria-label"|title|placeholder|alt|label|help|error|message): "([^"]*\p{L}[^"]*)"/gu;

/** Words that a component writes itself instead of taking them from the locale. */
function hardCoded(tsx: string): string[] {
  const code = new Bun.Transpiler({ loader: 'tsx', tsconfig: { compilerOptions: { jsx: 'react-jsx' } } }).transformSync(
    tsx,
  );
  const found = [...code.matchAll(spoken)].map((match) => match[1] ?? '');
  for (const match of code.matchAll(/\bchildren: /g))
    found.push(...literals(code.slice(match.index + match[0].length)));
  return found.filter((text) => /\p{L}/u.test(text));
}

/** String literals of one expression, outside of calls, objects and comparisons: those become text. */
function literals(expression: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let lists = 0;
  const tokens = /(?:[!=]==\s*)?("(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)|[(){}[\],]/g;
  for (const match of expression.matchAll(tokens)) {
    const token = match[0];
    if (token === '(' || token === '{') depth++;
    else if (token === ')' || token === '}') depth--;
    else if (token === '[') lists++;
    else if (token === ']') lists--;
    else if (token === ',' && depth === 0 && lists === 0) return found;
    else if (match[1] && depth === 0 && !/^[!=]==/.test(token))
      found.push(match[1].slice(1, -1).replace(/\$\{.*\}/, ''));
    if (depth < 0) return found;
  }
  return found;
}

test('the check finds words in text, lists, conditions and spoken attributes', () => {
  const bad: Record<string, string> = {
    '<p>Hello</p>': 'Hello',
    '<p>{name} said</p>': ' said',
    "<p>{ok ? 'Yes' : t.no}</p>": 'Yes',
    '<button aria-label="Close" />': 'Close',
    '<input placeholder="Your name" />': 'Your name',
  };
  for (const [jsx, words] of Object.entries(bad)) expect(hardCoded(`export const a = ${jsx};`)).toEqual([words]);
  const good = '<p id="x" class="y">{state === "done" ? t.a : t.b(f("z"))} · {" "}<b>{t.c}</b></p>';
  expect(hardCoded(`export const a = ${good};`)).toEqual([]);
});

test.each(files)('%s takes every visible word from the locale', async (file) => {
  expect(hardCoded(await Bun.file(`${root}/${file}`).text())).toEqual([]);
});

test('scripts and styles contain no words either', async () => {
  for (const name of new Bun.Glob('**/*.js').scanSync(`${root}/assets`)) {
    const script = await Bun.file(`${root}/assets/${name}`).text();
    expect(script).not.toMatch(/(textContent|innerText|title|ariaLabel) = ['"`]\w/);
  }
  for (const name of new Bun.Glob('**/*.css').scanSync(`${root}/assets`)) {
    expect(await Bun.file(`${root}/assets/${name}`).text()).not.toMatch(/content: "\w/);
  }
});

test('every locale has a word everywhere', () => {
  const empty = (value: unknown): boolean =>
    typeof value === 'string' ? value === '' : typeof value === 'object' && Object.values(value ?? {}).some(empty);
  for (const text of Object.values(locales)) expect(empty(text)).toBe(false);
});

/** Every key of a tree of texts, and whether it takes values. */
function keysOf(value: unknown, path = ''): string[] {
  if (typeof value !== 'object') return [`${path} ${typeof value}`];
  return Object.entries(value ?? {}).flatMap(([key, inner]) => keysOf(inner, `${path}.${key}`));
}

test.each(Object.entries(locales))('%s has the same keys as every other language', (_, text) => {
  expect(keysOf(text).sort()).toEqual(keysOf(locales.en).sort());
});

/** Names that are the same in every language. */
const SAME = /^(agent-stack|Token|CPU|zh-Hans|。|n|\/|Ctrl K|Enter|Shift Enter|↑|Esc|\?)$/;

test('each Chinese text is Chinese', () => {
  const english = (value: unknown): string[] => {
    if (typeof value === 'string') return /\p{Script=Han}/u.test(value) || SAME.test(value) ? [] : [value];
    return typeof value === 'object' ? Object.values(value ?? {}).flatMap(english) : [];
  };
  expect(english(locales.zh)).toEqual([]);
});
