/** Any text as Markdown: the output has no element, attribute or address that could act. */
import { beforeAll, expect } from 'bun:test';
import fc from 'fast-check';
import { changesBetween } from '../../views/growth';
import { hasDefinitions, renderGrowing, renderMarkdown, renderTail, settledLength } from '../../views/markdown';
import { Grown } from '../support/grown';
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
    '- [x] ',
    '[^1]',
    '[^1]: ',
    '\n[^n]: note\n',
    '<!--',
    ']]>',
    '\u202e',
  ],
  ...[
    '$',
    '$$',
    '$$\n',
    '\\(',
    '\\)',
    '\\[',
    '\\]\n',
    '$x^2$',
    '\\frac{',
    '}',
    '\\text{<b>}',
    '\\href{javascript:x}{y}',
  ],
  ...['\\begin{matrix}', '\\\\', '&', '\\end{matrix}', '\\color{red}', '\\style{x:y}{z}', '\\def\\a{\\a\\a}\\a'],
];
const TEX = [
  ...[
    '\\frac',
    '\\sqrt',
    '^',
    '_',
    '{',
    '}',
    '\\left(',
    '\\right)',
    '\\begin{cases}',
    '\\end{cases}',
    '&',
    '\\\\',
    'x',
  ],
  ...[
    '\\text{',
    '\\mathbb{R}',
    '\\sum',
    '\\cancel{x}',
    '\\boxed{',
    '\\tag{1}',
    '\\label{a}',
    '\\ref{a}',
    '\\class{a}{b}',
    '\\id{a}{b}',
  ],
  ...[
    '\\data{a=b}{c}',
    '\\url{http://a}',
    '\\includegraphics{http://a/b.png}',
    '\\htmlId{a}{b}',
    '\\hspace{9999em}',
    '\\char"3C',
    '\\verb|<|',
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
  'link',
  'meta',
  'base',
  'video',
  'audio',
];

// Not in the time of the first input: a run that its time ends before one input was tried has failed.
beforeAll(() => {
  renderMarkdown('```ts\nconst one = 1;\n```\n\n$x^2$ has a note[^n].\n\n[^n]: Of any kind.');
});

fuzz('a text of any kind renders without anything that acts', {
  inputs: texts,
  rule(text) {
    const found: string[] = [];
    const rewriter = new HTMLRewriter().on('*', {
      element({ tagName, attributes }) {
        if (ACTIVE.includes(tagName)) found.push(tagName);
        for (const [name, value] of attributes) {
          if (name.startsWith('on') || name.startsWith('hx-') || name === 'style') found.push(`${tagName} ${name}`);
          if (['href', 'src', 'action'].includes(name) && !/^(https?:\/\/|mailto:|#fn(ref)?-\w+-)/i.test(value))
            found.push(`${name}=${value}`);
        }
      },
    });
    rewriter.transform(renderMarkdown(text));
    expect(found).toEqual([]);
  },
});

/** Elements of MathML that show something, and nothing else. */
const OF_MATH =
  /^(math|mrow|mi|mn|mo|ms|mtext|mspace|mfrac|msqrt|mroot|msub|msup|msubsup|munder|mover|munderover|mmultiscripts|mprescripts|none|mtable|mtr|mtd|mstyle|mpadded|mphantom|menclose|merror|span|a)$/;

fuzz('a formula of any kind is MathML without anything that acts, or the text as it is written', {
  inputs: fc.array(fc.oneof(fc.constantFrom(...TEX), fc.constantFrom(...PIECES), anyText), { maxLength: 20 }),
  rule(parts) {
    const found: string[] = [];
    const rewriter = new HTMLRewriter().on('math *', {
      element({ tagName, attributes }) {
        if (!OF_MATH.test(tagName)) found.push(tagName);
        for (const [name] of attributes) if (/^(on|hx-|style$|href|xlink|src|id$)/.test(name)) found.push(name);
      },
    });
    rewriter.transform(renderMarkdown(`$$\n${parts.join('').replace(/\s+/g, ' ')}\n$$`));
    expect(found).toEqual([]);
  },
});

fuzz('a text that grows renders in two pieces as it does in one', {
  inputs: texts,
  rule(text) {
    const length = settledLength(text);
    expect(length).toBeWithin(0, text.length + 1);
    // A link and its definition may be in different pieces.
    if (hasDefinitions(text)) return;
    expect(renderMarkdown(text.slice(0, length)) + renderMarkdown(text.slice(length))).toBe(renderMarkdown(text));
  },
});

fuzz('a page that gets the changes of a growing text has what the text renders to, at each length and at its end', {
  inputs: fc.tuple(texts, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 })),
  rule([text, steps]) {
    const page = new Grown();
    let [settled, shown, before] = [0, 0, ''];
    for (const step of steps) {
      const grown = text.slice(0, shown + step);
      const tail = renderTail(text.slice(settled, shown));
      const { settled: more, html } = renderGrowing(grown.slice(settled));
      page.grow(changesBetween(tail, html));
      before += html.slice(0, html.length - renderTail(grown.slice(settled + more)).length);
      [settled, shown] = [settled + more, grown.length];
      expect(page.html).toBe(before + renderTail(grown.slice(settled)));
    }
    const rest = text.slice(settled);
    page.grow(changesBetween(renderTail(text.slice(settled, shown)), renderMarkdown(rest)));
    if (!hasDefinitions(text)) expect(page.html).toBe(renderMarkdown(text));
  },
});
