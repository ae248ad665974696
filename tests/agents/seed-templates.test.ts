// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of seeds look like that.
import { describe, expect, test } from 'bun:test';
import { renderTemplate, TemplateError } from '../../router/agents/seed-templates';

const NASTY = 'a"b\'c\\d\n- evil: true\n"x": {"y": 1}, #\t${LLM_MODEL} $(id) `id` \u2028\u0085 😀';

describe('a template', () => {
  const variables = { LLM_MODEL: 'the-model', VALUE: NASTY, NAME: "Ada O'Neil", WINDOWS: 'C:\\"x"' };
  const render = (file: string, text: string) => renderTemplate(file, text, variables);

  test('in JSON takes any value as the content of a string', () => {
    const text = '{"a": {"b": ["x ${VALUE} y", "${VALUE}"]}, "model": "${LLM_MODEL}", "n": 1, "__proto__": "${NAME}"}';
    const data = JSON.parse(render('config.json', text));
    expect(data.a).toEqual({ b: [`x ${NASTY} y`, NASTY] });
    expect(Object.keys(data)).toEqual(['a', 'model', 'n', '__proto__']);
    expect(data.n).toBe(1);
  });

  test('in YAML takes any value where it stands alone or within double quotes, and changes nothing else', () => {
    const text = [
      "# for ${ANYONE}: don't touch",
      'switch: yes # an old boolean',
      'mode: 0644',
      'alone: ${VALUE}   # ${COMMENT}',
      "it's: don't",
      'quoted: "say \\"${VALUE}\\" # twice ${LLM_MODEL}"',
      "literal: '# not a ''comment'",
      'list:',
      '  - ${VALUE}',
      '  - {model: ${LLM_MODEL}, rest: [${NAME}]}',
      '',
    ].join('\n');
    const rendered = render('config.yaml', text);
    expect(Bun.YAML.parse(rendered)).toMatchObject({
      alone: NASTY,
      quoted: `say "${NASTY}" # twice the-model`,
      list: [NASTY, { model: 'the-model', rest: ["Ada O'Neil"] }],
    });
    const kept = (source: string) => source.split('\n').filter((line) => !/VALUE|MODEL/.test(line));
    for (const line of kept(text)) expect(rendered.split('\n')).toContain(line);
    expect(rendered).not.toMatch(/[\u0085\u2028]/);
  });

  test('in YAML refuses a placeholder in any other place', () => {
    const places = [
      'a: x${NAME}y',
      'a: ${NAME} and more',
      "a: '${NAME}'",
      'a: |\n  hi ${NAME}\n',
      '${NAME}: a',
      'a: "b\n  ${NAME}"',
    ];
    for (const text of places) expect(() => render('config.yml', text)).toThrow(TemplateError);
  });

  test('in dotenv takes any value of one line, quoted', () => {
    const text =
      '# ${ANY}\nPLAIN=1\nexport MODEL=${LLM_MODEL}\nNAME="${NAME}"\nURL=http://x/${LLM_MODEL}/v1\nPATH_=${WINDOWS}\n';
    expect(render('.env', text)).toBe(
      `# \${ANY}\nPLAIN=1\nexport MODEL='the-model'\nNAME="Ada O'Neil"\nURL='http://x/the-model/v1'\nPATH_="C:\\\\\\"x\\""\n`,
    );
    expect(() => render('.env', 'A=${VALUE}')).toThrow(TemplateError);
    for (const place of ['A=${NAME} B=1', 'A="x ${NAME}" # c', '${NAME}=1', '${NAME}']) {
      expect(() => render('prod.env', place)).toThrow(TemplateError);
    }
  });

  test('in dotenv does not let a value break out, as a shell reads it', async () => {
    const value = '\'"; echo out; `echo out` $(echo out) \\" #';
    const file = renderTemplate('.env', 'A=${V}\nB=after\n', { V: value });
    const shell = await Bun.$`sh -c ${`${file}printf '%s|%s' "$A" "$B"`}`.quiet();
    expect(shell.stdout.toString()).toBe(`${value}|after`);
  });

  test('in Markdown and text takes plain text, with line breaks and tabs and no other control characters', () => {
    expect(renderTemplate('A.md', '# ${A}${A}', { A: 'x\n\ty"' })).toBe('# x\n\ty"x\n\ty"');
    for (const value of ['\0', '\u001b[31m', '\r', '\u0085']) {
      expect(() => renderTemplate('A.txt', '${A}', { A: value })).toThrow(TemplateError);
    }
  });

  test('never reads a placeholder in a value', () => {
    expect(renderTemplate('A.md', '${A}', { A: '${B}', B: 'secret' })).toBe('${B}');
    expect(JSON.parse(renderTemplate('a.json', '["${A}"]', { A: '${B}', B: 'secret' }))).toEqual(['${B}']);
    expect(Bun.YAML.parse(renderTemplate('a.yml', '- ${A}', { A: '${B}', B: 'secret' }))).toEqual(['${B}']);
  });

  test('knows only the variables it is given, and names file and variable', () => {
    const texts = { 'a.json': '{"a":"${HOME}"}', 'a.yaml': 'a: ${HOME}', '.env': 'A=${HOME}', 'a.md': '${HOME}' };
    for (const [file, text] of Object.entries(texts)) {
      const failing = () => render(file, text);
      expect(failing).toThrow(TemplateError);
      expect(failing).toThrow(`${file}: \${HOME}`);
    }
  });

  test('has no other placeholder than ${NAME}: other texts in braces stay as they are', () => {
    for (const name of ['constructor', '__proto__', 'NAME:-x', 'AGENT_STACK_CALLBACK_URL:?', '1', '']) {
      expect(render('a.md', `\${${name}}`)).toBe(`\${${name}}`);
    }
  });

  test('of another format, or one that cannot be read, is refused', () => {
    for (const file of ['a.toml', 'a.sh', 'Makefile']) {
      expect(() => render(file, '${NAME}')).toThrow(TemplateError);
      expect(render(file, 'x ${y}')).toBe('x ${y}');
    }
    expect(() => render('a.json', '{"a": ${NAME}}')).toThrow('not valid JSON');
    expect(() => render('a.json', '{"${NAME}": 1}')).toThrow('not in names');
    expect(() => render('a.yaml', 'a: [')).toThrow('not valid YAML');
  });
});
