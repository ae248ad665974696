import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { renderMarkdown, renderTail, settledLength } from '../../views/markdown';
import { all } from './dom';

const attacks = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<svg/onload=alert(1)>',
  '<iframe src="javascript:alert(1)"></iframe>',
  '<hx-partial hx-target="body">x</hx-partial>',
  '<a href="/x" hx-post="/settings/keys">x</a>',
  '<div data-hx-get="/x" hx-trigger="load">x</div>',
  '[a](javascript:alert(1))',
  '[a](JaVaScRiPt:alert(1))',
  '[a](java\tscript:alert(1))',
  '[a](&#106;avascript:alert(1))',
  '[a](vbscript:msgbox(1))',
  '[a](data:text/html;base64,PHNjcmlwdD4=)',
  '[a](file:///etc/passwd)',
  '[a](/sign-out)',
  '[a](//evil.example/x)',
  '<javascript:alert(1)>',
  '![a](https://evil.example/pixel.png)',
  '![a](javascript:alert(1))',
  '![a](data:image/svg+xml;base64,PHN2Zz4=)',
  '![a"onerror="alert(1)](https://evil.example/"onerror="alert(1))',
  '[a](https://ok.example "t\\" onmouseover=\\"alert(1)")',
  '```html"onmouseover="alert(1)\n<script>alert(1)</script>\n```',
  '```js\n</code></pre><script>alert(1)</script>\n```',
  '    <script>alert(1)</script>',
  '| <b onclick=alert(1)>x</b> |\n|:-:|\n| </table><script>alert(1)</script> |',
  '[x]: javascript:alert(1)\n\n[x]',
  'http://ok.example/"onmouseover="alert(1)',
  '# <style>*{display:none}</style>',
  '<details ontoggle=alert(1) open><summary>x</summary></details>',
  '$\\href{javascript:alert(1)}{x}$',
  '$$\\style{position:fixed}{x}$$',
  '$\\text{<img src=x onerror=alert(1)>}$',
  '$\\includegraphics{https://evil.example/pixel.png}$',
];

describe('attack strings', () => {
  for (const attack of attacks) {
    test(`produces nothing active: ${JSON.stringify(attack)}`, async () => {
      const html = renderMarkdown(attack);
      for (const element of await all(html, '*')) {
        expect(element.tag).toMatch(
          /^(p|a|code|pre|div|span|h[3-6]|table|thead|tbody|tr|th|td|em|strong|math|m[a-z]+)$/,
        );
        for (const name of Object.keys(element.attributes)) {
          expect(name).toMatch(/^(href|rel|target|title|class|tabindex|data-language|dir|display)$/);
        }
        if (element.tag === 'a') expect(element.attributes.href).toMatch(/^(https?:\/\/|mailto:)/);
      }
    });
  }
});

describe('rendering', () => {
  test('every link opens elsewhere and passes nothing on', async () => {
    const links = await all(renderMarkdown('[a](https://a.example) https://b.example a@c.example'), 'a');
    expect(links.map((link) => link.attributes.href)).toEqual([
      'https://a.example',
      'https://b.example',
      'mailto:a@c.example',
    ]);
    for (const link of links) expect(link.attributes.rel).toBe('noopener noreferrer nofollow');
  });

  test('a picture that is stored here is shown, with its size, and no other address of ours is', () => {
    const place = `/api/attachments/${'0a'.repeat(12)}`;
    const html = renderMarkdown(`![A "cat"](${place}#40x30) ![x](${place}/..) ![y](/settings) ![z](//evil.example/a)`);
    expect(html.match(/<img[^>]*>/g)).toEqual([
      `<img src="${place}" alt="A &quot;cat&quot;" width="40" height="30" loading="lazy" decoding="async">`,
    ]);
    expect(html).not.toContain('href="/settings"');
    expect(renderMarkdown(`![high](${place}#300x2048)`)).toContain('width="75" height="512"');
  });

  test('an image becomes a link with its description, so no remote host learns of the conversation', async () => {
    const html = renderMarkdown('![a *cat*](https://a.example/cat.png) and ![](https://a.example/x.png)');
    expect(await all(html, 'img')).toEqual([]);
    expect((await all(html, 'a')).map((link) => link.text)).toEqual(['a cat (a.example)', 'a.example/x.png']);
  });

  test('no heading is above level three, and the higher ones keep their look by a class', () => {
    const html =
      '<h3 dir="auto" class="level-1">a</h3>\n<h3 dir="auto" class="level-2">b</h3>\n<h3 dir="auto">c</h3>\n<h6 dir="auto">d</h6>\n';
    expect<string>(renderMarkdown('# a\n## b\n### c\n###### d')).toBe(html);
  });

  test('code and tables can be scrolled by keyboard', async () => {
    const html = renderMarkdown('```\ncode\n```\n\n| a | b |\n|--:|---|\n| 1 | 2 |');
    expect((await all(html, 'pre, .table')).map((box) => box.attributes.tabindex)).toEqual(['0', '0']);
    expect((await all(html, '.align-right')).map((cell) => cell.text)).toEqual(['a', '1']);
  });

  test('a named language is highlighted, an unknown or missing one is never guessed', async () => {
    expect(await all(renderMarkdown('```ts\nconst a = 1;\n```'), '.hljs-keyword')).toHaveLength(1);
    for (const fence of ['```\nconst a = 1;\n```', '```nope\nconst a = 1;\n```']) {
      expect(await all(renderMarkdown(fence), 'span')).toEqual([]);
    }
  });

  test('the first text loads the renderer, and the first code the highlighter, which colours that code', () => {
    // In a process of its own: what is loaded is a matter of the whole process.
    const script = `
      const { renderMarkdown } = await import('./views/markdown');
      await import('./views/chat/page');
      const loaded = () => ['markdown-it', 'highlight.js'].map((name) =>
        Object.keys(require.cache).some((file) => file.includes('/node_modules/' + name + '/')));
      const steps = [loaded()];
      renderMarkdown('text');
      steps.push(loaded());
      const html = renderMarkdown('\`\`\`ts\\nconst a = 1;\\n\`\`\`');
      console.log(JSON.stringify([...steps, loaded(), html.includes('hljs-keyword')]));`;
    const command = [process.execPath, '--no-env-file', '-e', script];
    const { stdout } = Bun.spawnSync(command, { cwd: join(import.meta.dir, '../..') });
    expect(JSON.parse(stdout.toString())).toEqual([[false, false], [true, false], [true, true], true]);
  });

  test('a block above 10 KB is not highlighted', async () => {
    const code = 'const a = 1;\n'.repeat(850);
    expect(code.length).toBeGreaterThan(10 * 1024);
    expect(await all(renderMarkdown(`\`\`\`ts\n${code}\`\`\``), 'span')).toEqual([]);
  });

  const rendered = (text: string): string => renderMarkdown(text, { copyCode: 'copy-code' });

  test('a line break that is written as HTML is one, and other HTML stays text', () => {
    expect(rendered('a<br>b<BR />c')).toBe('<p dir="auto">a<br>\nb<br>\nc</p>\n');
    expect(rendered('|a|\n|-|\n|x<br/>y|')).toContain('<td>x<br>\ny</td>');
    expect(rendered('`<br>` <br class="x"> <brr> <b>')).toBe(
      '<p dir="auto"><code>&lt;br&gt;</code> &lt;br class=&quot;x&quot;&gt; &lt;brr&gt; &lt;b&gt;</p>\n',
    );
  });

  test('a task has a box that says whether it is done', async () => {
    const boxes = await all(rendered('- [ ] one\n- [x] two\n- [y] no\n\n[ ] no'), 'input');
    expect(boxes.map(({ attributes }) => [attributes['aria-labelledby'], 'checked' in attributes])).toEqual([
      ['task-open', false],
      ['task-done', true],
    ]);
    for (const { attributes } of boxes) expect(attributes).toHaveProperty('disabled');
  });

  test('footnotes stand at the end of a text, with links there and back that no other text has', async () => {
    const note = (words: string) => rendered(`A[^a] and B[^b]. ${words}\n\n[^b]: Second\n\n[^a]: First`);
    const links = (await all(note(''), 'a')).map(({ attributes }) => attributes.href?.slice(1));
    const ids = (await all(note(''), '[id]')).map(({ attributes }) => attributes.id);
    expect(links).toHaveLength(4);
    expect(ids.toSorted()).toEqual(links.toSorted());
    const others = (await all(note('else'), '[id]')).map(({ attributes }) => attributes.id);
    expect(others.filter((id) => ids.includes(id))).toEqual([]);
    expect(rendered('A[^a] ^[b]')).toBe('<p dir="auto">A[^a] ^[b]</p>\n');
  });

  test('math is MathML, in the line or on lines of its own, however its TeX is marked', async () => {
    for (const line of ['a $x^2$ b', 'a \\(x^2\\) b']) {
      expect((await all(rendered(line), 'math')).map(({ attributes }) => attributes.display)).toEqual([undefined]);
    }
    for (const block of ['$$x^2$$', '$$\nx^2\n$$', '\\[x^2\\]', 'text\n\\[\nx^2\n\\]\nmore', 'a $$x^2$$ b']) {
      expect((await all(rendered(block), 'math')).map(({ attributes }) => attributes.display)).toEqual(['block']);
    }
    expect(rendered('$\\frac{1}{2} < x$')).toContain('<mfrac><mn>1</mn><mn>2</mn></mfrac><mo>&lt;</mo>');
  });

  test('sums of money, code and what is no TeX stay as they are written', () => {
    for (const text of [
      '$5 and $10',
      'US$5 or A$6',
      '$5, or 3$',
      '$ x $',
      '\\$x$',
      '$\\bad$',
      '$\\def\\a{x}\\a$',
      `$${'x'.repeat(3_000)}$`,
    ]) {
      expect(rendered(text)).not.toContain('<math');
    }
    expect(rendered('`$x$`')).toContain('<code>$x$</code>');
    expect(rendered('$$\nnever closed\n\nnext')).toBe(
      '<p dir="auto" class="plain">$$\nnever closed</p>\n<p dir="auto">next</p>\n',
    );
  });

  test('HTML such as details is text, and a mermaid diagram its source', async () => {
    expect(rendered('<details><summary>S</summary>')).toBe(
      '<p dir="auto">&lt;details&gt;&lt;summary&gt;S&lt;/summary&gt;</p>\n',
    );
    const [block] = await all(rendered('```mermaid\ngraph TD\n```'), '.code');
    expect(block?.attributes['data-language']).toBe('mermaid');
    expect(await all(rendered('```mermaid\ngraph TD\n```'), '.copy-code')).toHaveLength(1);
  });

  test('each block has the direction of its own first letter', async () => {
    const blocks = await all(rendered('# a\n\nb\n\n- c\n\n> d\n\n| e |\n|---|\n| f |'), '[dir=auto]');
    expect(blocks.map(({ tag }) => tag)).toEqual(['h3', 'p', 'ul', 'blockquote', 'div']);
  });

  test('a code block has a copy button only when an element names it', async () => {
    const fence = '```\ncode\n```';
    expect(await all(renderMarkdown(fence), 'button')).toEqual([]);
    const [button] = await all(renderMarkdown(fence, { copyCode: 'copy-code' }), 'button');
    expect(button?.attributes['aria-labelledby']).toBe('copy-code');
  });
});

const corpus: Record<string, string> = {
  paragraphs: 'One\ntwo\n\nThree **bold** _it_\nfour\n\n\nfive',
  headings: '# One\ntext\n## Two\n\nSetext\n===\n\nOther\n---\nend',
  'tight and loose lists': '- a\n- b\n  - c\n\n    more c\n- d\n\n- e\n\npara\n\n1. x\n2. y\n\n3. z\n10. q\n\nend',
  'lists that follow lists': '* a\n\n- b\n\n+ c\n\n1) d\n\n1. e\n\n- - -\n\n- f',
  'lazy lines': '> quote\nlazy\n\n> other\n\n- item\nlazy\n\nend',
  fences: 'before\n```ts\nconst a = 1;\n\n# no heading\n```\nafter\n\n~~~\nopen\n\n- a',
  'indented code': 'a\n\n    code\n\n    more\n\n\n    again\n\nb\n    not code\n\n    code',
  tables: 'text\n| a | b |\n|---|:-:|\n| 1 | 2 |\nrow\n\n| x |\n\n| c |\n|---|\n| `3` |\n\nend',
  'code in lists': '1. do\n\n   ```sh\n   ls\n   ```\n\n2. then\n\n       indented\n\nend\n',
  rules: 'a\n***\nb\n\n---\n\n* * *\nc\n___',
  'html as text': '<div>\n\n<b>x</b>\n\n</div>\n\n<!-- a\n\nb -->\n\nend',
  unicode: '你好，世界。\n\n- 🎉 一\n- 二\n\n| 列 |\n|---|\n| 值 |\n\nمرحبا\n\nend',
  tasks: 'first\n\n- [ ] a\n- [x] b\n  - [ ] c\n\n    d\n- [ ]\n- [y] e\n\nend',
  breaks: 'a<br>b\n<br>\n\n| c |\n|---|\n| d<br/>e <b>f</b> |\n\n- g<br />\n\nend',
  math: 'a $x$ b\n$$\ny\n= z\n$$\nc\n\n\\[ a\n- b \\]\n\n- $$\n  q\n  $$\n\n$$\nopen\n\nend \\(a\\) $$b$$',
  'windows breaks': 'a\r\n\r\n- b\r\n- c\r\n\r\nd\r\n```\r\ne\r\n```\r\n\r\nf',
  'blank edges': '\n\n  a\n\n\n\nb\n\n  \n\t\n',
};

describe('settle and tail', () => {
  for (const [name, text] of Object.entries(corpus)) {
    test(`a text streamed by single characters equals the whole at every step: ${name}`, () => {
      let settledHtml = '';
      let from = 0;
      for (let length = 1; length <= text.length; length++) {
        const grown = text.slice(0, length);
        const to = from + settledLength(grown.slice(from));
        settledHtml += renderMarkdown(grown.slice(from, to));
        from = to;
        expect(settledHtml + renderMarkdown(grown.slice(from))).toBe(renderMarkdown(grown));
      }
      expect(from).toBeGreaterThan(0);
    });
  }

  test('a reference link needs its definition in the same piece; the finished answer has both', () => {
    const text = '[a]: https://a.example\n\nfirst\n\nsee [a]\n';
    const at = settledLength(text);
    expect(at).toBe(text.indexOf('see'));
    expect<string>(renderMarkdown(text.slice(at))).toBe('<p dir="auto">see [a]</p>\n');
    expect(renderMarkdown(text)).toContain('href="https://a.example"');
  });

  test('a list is not settled while the next line may still be its next item', () => {
    expect(settledLength('1. a\n\n2')).toBe(0);
    expect(settledLength('1. a\n\n2 apples\n')).toBe('1. a\n\n'.length);
  });

  test('an empty or blank text has nothing settled', () => {
    for (const text of ['', '\n', '  \n\n']) expect(settledLength(text)).toBe(0);
  });
});

test('the end of a growing text is rendered the same again, and as in the whole text', () => {
  // Beside the addresses that are found in the whole line, their remains look like others.
  const lines = [
    'Open \\http://files.example/a!',
    'x@y.org$a.com&amp;x@y.org1. ',
    '&x@y.orghttp://a.bwww.a.com',
    '- [ ] see www.a.example and **b**',
    '| `a` | $x^2$ |\n|--|--|\n| http://a.example | b<br>c |',
  ];
  for (const line of lines) {
    const whole = renderMarkdown(line);
    expect([renderTail(line), renderTail(line), renderTail(`${line}\n`)]).toEqual([whole, whole, whole]);
  }
});

test('a line that is known keeps no text that it was a part of, and many marks are not kept', () => {
  const MB = 1024 * 1024;
  const usedBytes = () => {
    Bun.gc(true);
    return process.memoryUsage.rss();
  };
  const before = usedBytes();
  for (let n = 0; n < 1_000; n += 1) {
    // As a worker gets it: a string of its own, of which the tail is a part.
    const text = structuredClone(`${'word '.repeat(60_000)}\n\nLine ${n} that is new.`);
    renderTail(text.slice(text.lastIndexOf('Line')));
    renderTail(`${'*a*'.repeat(80)} ${n}`);
  }
  expect((usedBytes() - before) / MB).toBeLessThan(150);
});
