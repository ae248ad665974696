import { expect, test } from 'bun:test';
import { titleFrom } from '../../router/chat/conversations';
import { textOfMarkdown } from '../../router/lib/markdown-text';
import { excerptOf, termsOf } from '../../router/lib/search-text';

/** The excerpt for a query, with its hits in angle brackets. */
const excerpt = (markdown: string, query: string) =>
  excerptOf(markdown, termsOf(query))
    .map(({ text, isHit }) => (isHit ? `<${text}>` : text))
    .join('');

test('the marks of Markdown are left out', () => {
  const plain: Record<string, string> = {
    '**bold**, *slanted*, _slanted_, ***both*** and ~~gone~~': 'bold, slanted, slanted, both and gone',
    '**Bold: `code`** and ``a ` b``': 'Bold: code and a ` b',
    '[text](https://a.example/x_(y) "title") and <https://b.example>': 'text and https://b.example',
    '[![A cat](https://a.example/cat.png)](https://a.example)': 'A cat',
    '## A heading': 'A heading',
    '> - [x] done': 'done',
    '1. one': '1. one',
    'a note[^1]': 'a note',
    '\\*no emphasis\\*': '*no emphasis*',
    'line<br>break': 'line break',
    '| Model | Price |\n|:--|--:|\n| `one` | **2** |': 'Model · Price\none · 2',
    '```js\nconst x = a * b * c;\n```\n**after**': 'const x = a * b * c;\nafter',
    'above\n\n---\n\nbelow': 'above\n\n\nbelow',
  };
  for (const [markdown, text] of Object.entries(plain))
    expect([markdown, textOfMarkdown(markdown)]).toEqual([markdown, text]);
});

test('what is no Markdown stays as it is written', () => {
  for (const text of [
    'snake_case_name',
    '__init__',
    '**kwargs and *args',
    '2 * 3 * 4',
    '2*3*4 and 2**3 + 4**5',
    'a*b + c*d',
    'a.*b.*c',
    'list[index](x)',
    '<b>bold</b>',
    'a ` b',
  ]) {
    expect(textOfMarkdown(text)).toBe(text);
  }
});

test('a title is made from the words of a message, and from what is written where there are none', () => {
  expect(titleFrom('# **Fix** the [build](https://ci.example/1)\n\nIt fails.')).toBe('Fix the build It fails.');
  expect(titleFrom('```\nnpm install\n```')).toBe('npm install');
  expect(titleFrom(' *** ')).toBe('***');
});

test('an excerpt is plain text, also where it begins in the middle of a block', () => {
  const table = '| Fruit | Colour |\n|---|---|\n| **Lemon** | yellow |';
  expect(excerpt(table, 'lemon')).toBe('Fruit · Colour <Lemon> · yellow');
  const code = `\`\`\`python\n${'x = a * b\n'.repeat(40)}needle * 2 * 3\n${'y = 1\n'.repeat(3)}\`\`\`\n**after**`;
  expect(excerpt(code, 'needle')).toContain('x = a * b <needle> * 2 * 3 y = 1 y = 1 y = 1 after');
  expect(excerpt(code, 'needle')).toStartWith('…');
  expect(excerpt(`${'word '.repeat(200)}**a needle** ${'word '.repeat(200)}`, 'a needle')).toContain(
    'word <a> <needle> word',
  );
});

test('what is found in the address of a link only is shown as it is written', () => {
  expect(excerpt('See [this](https://a.example/halibut).', 'halibut')).toBe('See [this](https://a.example/<halibut>).');
});

test('an excerpt begins and ends with a whole word, where words have spaces between them', () => {
  const words = Array.from({ length: 60 }, (_, index) => `${index}-word-${index}`);
  for (const before of [20, 21, 22, 23]) {
    const text = excerpt([...words.slice(0, before), 'needle', ...words].join(' '), 'needle');
    const shown = text.replace(/^…|…$/g, '').split(' ');
    expect(text).toMatch(/^….*…$/);
    expect(shown.filter((word) => word !== '<needle>' && !words.includes(word))).toEqual([]);
  }
  // A word without an end is cut.
  expect(excerpt(`${'x'.repeat(80)} needle`, 'needle')).toBe(`…${'x'.repeat(49)} <needle>`);
  expect(excerpt(`${'字'.repeat(60)} needle`, 'needle')).toBe(`…${'字'.repeat(49)} <needle>`);
});
