/** Rendering of texts that take long, or whose HTML is long. */
import { afterAll, describe, expect, test } from 'bun:test';
import hljs from 'highlight.js/lib/common';
import { renderingService } from '../../router/web/rendering/rendering';
import { renderPlain } from '../../views/markup';
import { until } from '../support/router';
import { all } from '../views/dom';

const rendering = renderingService({ copyCode: 'copy-code' });
afterAll(() => rendering[Symbol.dispose]());

/** Only ends a failed test: a thread may start slowly, and some texts use their whole time limit. */
const LIMIT_MS = 60_000;
/** The longest text of a message on a page. */
const LENGTH = 64 * 1024;
const fill = (atom: string, length = LENGTH) => atom.repeat(Math.ceil(length / atom.length)).slice(0, length);
const fence = (language: string, code: string) => `\`\`\`${language}\n${code}\n\`\`\`\n`;

/** More than a second of work: highlighting each block takes more than half a second. */
const minutes = fence('csharp', fill('a ', 10_000)).repeat(6);

const hostile: Record<string, string> = {
  'a word over and over as C#, in many blocks': minutes,
  'a word over and over as C#': fence('csharp', 'a '.repeat(10_200)),
  'addresses without a space': fill('http://a.b/'),
  'addresses with spaces': fill('http://a.b/ '),
  'addresses without a scheme': fill('//a.b'),
  'addresses with open brackets': fill('http://['),
  'e-mail addresses': fill('a@b.c '),
  'at signs': fill('a@'),
  emphasis: fill('*a '),
  'emphasis within emphasis': fill('**a'),
  'underscores and stars': fill('*_a '),
  brackets: fill('['),
  'open links': fill('[a]('),
  images: fill('!['),
  'definitions of links': fill('[a]: b\n'),
  'code of growing ticks': Array.from({ length: 300 }, (_, n) => '`'.repeat(n)).join(' a '),
  quotes: fill('> '),
  'quotes of lists': fill('> - '),
  lists: fill('- '),
  'lists within lists': Array.from({ length: 340 }, (_, n) => `${' '.repeat(n)}- a`).join('\n'),
  'a wide table': `${'|a'.repeat(400)}|\n${'|-'.repeat(400)}|\n${'|\n'.repeat(30_000)}`.slice(0, LENGTH),
  entities: fill('&amp;'),
  ampersands: fill('&'),
  'quotation marks': fill('"'),
  'tags that are none': fill('<a '),
  backslashes: fill('\\'),
  'characters without width': fill('\u200b'),
  'text from the right': fill('\u202eא '),
  'halves of characters': fill('\ud83d'),
  'a long line': fill('a'),
  'empty lines': fill('\n'),
  NUL: fill('a\0'),
};

describe('a hostile text is in the page, rendered or as it is', () => {
  for (const [name, text] of Object.entries(hostile)) {
    test(
      name,
      async () => {
        const page = rendering.page(name);
        const [html, growing] = [await page.whole(text), await page.growing(name, text.slice(0, 1_000))];
        expect(html.length).toBeLessThanOrEqual(Math.max(256 * 1024, renderPlain(text).length));
        expect(growing.settled).toBeLessThanOrEqual(1_000);
      },
      LIMIT_MS,
    );
  }
});

test(
  'code of every language that has colours is in the page, whatever it consists of',
  async () => {
    const atoms = ['a ', '(a', '"', '<a ', '/*', '1_', '{'];
    const blocks = hljs.listLanguages().flatMap((language) => atoms.map((atom) => fence(language, fill(atom, 300))));
    // One user after another, so that no page exceeds its time limit.
    for (let at = 0; at < blocks.length; at += 40) {
      const text = blocks.slice(at, at + 40).join('');
      const html = await rendering.page(`user-${at}`).whole(text);
      expect(html.length).toBeGreaterThan(1_000);
    }
  },
  LIMIT_MS,
);

test(
  'a text that takes too long is plain, once and for all, and the next one has its colours',
  async () => {
    const page = rendering.page('alice');
    const whole = `${minutes}<b>the end</b>`;
    expect(await page.whole(whole)).toBe(renderPlain(whole));
    expect(await rendering.page('alice').whole(whole)).toBe(renderPlain(whole));
    expect(await all(await rendering.page('bob').whole(fence('ts', 'const a = 1;')), '.hljs-keyword')).toHaveLength(1);
  },
  LIMIT_MS,
);

test(
  'while texts of one user take too long, one of another user is rendered',
  async () => {
    let isOver = false;
    const mallory = (async () => {
      for (let n = 0; !isOver; n++) await rendering.page('mallory').whole(`${minutes}${n}`);
    })();
    // On a busy machine a page may be sent before a thread has started.
    await until(
      async () => (await rendering.page('carol').whole('**one**')) !== renderPlain('**one**'),
      'it is rendered',
    );
    isOver = true;
    await mallory;
  },
  LIMIT_MS,
);

test(
  'a text that grows and takes too long is plain from then on, until its end',
  async () => {
    const text = `One **word**.\n\n${minutes}`;
    const first = await rendering.page('dave').growing('m1', text);
    expect(first).toEqual({ settled: 0, html: renderPlain(text), isPlain: true });
    const next = await rendering.page('dave').growing('m1', 'One **word**.');
    expect<string>(next.html).toBe('<p class="plain">One **word**.</p>');
    expect<string>(await rendering.page('dave').whole('One **word**.')).toBe(
      '<p dir="auto">One <strong>word</strong>.</p>\n',
    );
  },
  LIMIT_MS,
);

test(
  'what all texts of a page become is bounded: the rest is plain',
  async () => {
    const page = rendering.page('erin');
    const texts = Array.from({ length: 16 }, (_, n) => `${n} ${fill('**a** ', 30_000)}`);
    const pieces: string[] = [];
    for (const text of texts) pieces.push(await page.whole(text));
    const isPlain = pieces.map((piece) => piece.startsWith('<p class="plain">'));
    expect(isPlain[0]).toBe(false);
    expect(isPlain.at(-1)).toBe(true);
  },
  LIMIT_MS,
);

test(
  'a text that is too long as markup is plain',
  async () => {
    const text = fill('http://a.bc ');
    expect(await rendering.page('frank').whole(text)).toBe(renderPlain(text));
  },
  LIMIT_MS,
);
