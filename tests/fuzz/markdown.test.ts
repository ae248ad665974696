/** Any text as Markdown: the output has no element, attribute or address that could act. */
import { expect } from 'bun:test';
import fc from 'fast-check';
import { renderMarkdown, settledLength } from '../../views/markdown';
import { anyText, fuzz } from './fuzz';

const PIECES = [
  ...[
    '# ',
    '## ',
    '* ',
    '- ',
    '1. ',
    '> ',
    '```',
    '```html\n',
    '~~~',
    '`',
    '**',
    '_',
    '~~',
    '|',
    '\n',
    '\n\n',
    '    ',
    '\t',
  ],
  ...[
    '[a](javascript:alert(1))',
    '[a](data:text/html,x)',
    '![i](http://x/y)',
    '<script>',
    '</p>',
    '<img src=x onerror=1>',
    '&lt;',
    '&#x6a;',
  ],
  ...[
    'http://a.b/',
    'www.example.org',
    '[x]: http://a "t"',
    '[x]',
    '\\',
    'a@b.cd',
    '| a | b |\n|---|---|\n',
    '- [ ] ',
    '<!--',
    ']]>',
    '\u202e',
  ],
];
const texts = fc.oneof(
  anyText,
  fc.array(fc.oneof(fc.constantFrom(...PIECES), anyText), { maxLength: 30 }).map((parts) => parts.join('')),
  fc.tuple(fc.constantFrom(...PIECES), fc.nat(300)).map(([piece, count]) => piece.repeat(count)),
);

const ACTIVE = [
  'script',
  'style',
  'iframe',
  'object',
  'embed',
  'form',
  'img',
  'svg',
  'math',
  'link',
  'meta',
  'base',
  'video',
  'audio',
];

fuzz('a text of any kind renders without anything that acts', {
  inputs: texts,
  rule(text) {
    const found: string[] = [];
    const rewriter = new HTMLRewriter().on('*', {
      element({ tagName, attributes }) {
        if (ACTIVE.includes(tagName)) found.push(tagName);
        for (const [name, value] of attributes) {
          if (name.startsWith('on') || name.startsWith('hx-') || name === 'style') found.push(`${tagName} ${name}`);
          if (['href', 'src', 'action'].includes(name) && !/^(https?:\/\/|mailto:)/i.test(value))
            found.push(`${name}=${value}`);
        }
      },
    });
    rewriter.transform(renderMarkdown(text));
    expect(found).toEqual([]);
  },
});

fuzz('a text that grows renders in two pieces as it does in one', {
  inputs: texts,
  rule(text) {
    const length = settledLength(text);
    expect(length).toBeWithin(0, text.length + 1);
    expect(renderMarkdown(text.slice(0, length)) + renderMarkdown(text.slice(length))).toBe(renderMarkdown(text));
  },
});
