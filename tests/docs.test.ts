import { describe, expect, test } from 'bun:test';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import pkg from '../package.json';
import { entrySchema } from '../router/backends/schema';
import { ConfigError, loadConfig } from '../router/config/config';
import { repositoryRoot } from '../router/config/root';
import { settings } from '../router/config/settings';
import { envExample, settingsTable, withSettings } from '../scripts/docs';

const read = (file: string): Promise<string> => Bun.file(join(repositoryRoot, file)).text();

/** The path of a source file in a text, as far as it is named. */
const SOURCE_FILE = /(?<![\w/.*<>-])((?:[\w-]+\/)*[a-z][\w-]*\.(?:tsx?|css|js))\b(?![\w./])/g;
/** What is written like one: packages, and what is made when the router runs. */
const OTHERS_FILES = new Set(['ipaddr.js', 'highlight.js', 'htmx.js', 'main.js', 'app.js']);

/** A path with one name for all that varies in it. */
const plain = (path: string) => path.replace(/\{[^}]*\}|:\w+|\*/g, '*');

describe('settings', () => {
  test('.env.example is what `bun scripts/docs.ts` writes', async () => {
    expect(await read('.env.example')).toBe(envExample());
  });

  test('the table of docs/settings.md is what `bun scripts/docs.ts` writes', async () => {
    const page = await read('docs/settings.md');
    expect(page).toContain(settingsTable());
    expect(page).toBe(withSettings(page));
  });

  test('the table goes between its markers and nowhere else', () => {
    const page = 'before\n<!-- settings:start -->\nold\n<!-- settings:end -->\nafter\n';
    expect(withSettings(page)).toBe(
      `before\n<!-- settings:start -->\n${settingsTable()}\n<!-- settings:end -->\nafter\n`,
    );
    expect(withSettings('no markers')).toBe('no markers');
  });

  test('every default and every example that is not a secret satisfies its own rule', () => {
    for (const [name, setting] of settings) {
      if (setting.default !== undefined) expect([name, setting.parse(setting.default)]).not.toEqual([name, undefined]);
      if (!setting.required) expect([name, setting.parse(setting.example)]).not.toEqual([name, undefined]);
    }
  });

  test('.env.example copied as it is gets refused for its placeholders only', () => {
    const lines = envExample()
      .split('\n')
      .filter((line) => /^\w+=/.test(line));
    const env = Object.fromEntries(lines.map((line) => line.split('=')));
    expect(() => loadConfig(env)).toThrow(ConfigError);
    expect(Object.keys(env)).toEqual(['JWT_SECRET', 'ENCRYPTION_KEY']);
  });
});

describe('pages', () => {
  const pages = [...new Bun.Glob('**/*.md').scanSync(repositoryRoot)].filter((page) =>
    /^([^/]+$|docs\/|drivers\/|backends\/)/.test(page),
  );

  test('the README begins with what it is, a picture, and two commands of one line', async () => {
    const readme = await read('README.md');
    const blocks = [...readme.matchAll(/^```sh\n([\s\S]*?)```$/gm)].map(([, block = '']) => block);
    expect(blocks.slice(0, 2)).toEqual(['bin/start\n', 'bin/test\n']);
    for (const command of ['bin/start', 'bin/test']) {
      expect(statSync(join(repositoryRoot, command)).mode & 0o111).not.toBe(0);
    }
    expect(readme.indexOf('![')).toBeWithin(1, readme.indexOf('```sh'));
    expect(readme.split('\n').length).toBeLessThan(120);
  });

  test.each(pages.sort())('%s links only to what is there', async (page) => {
    const text = (await read(page)).replace(/```[\s\S]*?```/g, '');
    const links = [...text.matchAll(/\]\(([^)#\s]+)/g)].map(([, link = '']) => link);
    const local = links.filter((link) => !/^\w+:/.test(link));
    expect(local.filter((link) => !existsSync(join(repositoryRoot, dirname(page), link)))).toEqual([]);
  });

  test('what the table of docs/development.md names is in the file that it names', async () => {
    const page = await read('docs/development.md');
    const named = [...page.matchAll(/`(\w+)` in \[[^\]]+\]\(\.\.\/([^)]+)\)/g)];
    expect(named.length).toBeGreaterThan(15);
    for (const [, name = '', file = ''] of named) {
      const declaration = new RegExp(`\\b(?:function|const|class) ${name}\\b|^ +(?:async )?${name}(?:\\(|: )`, 'm');
      expect([file, declaration.exec(await read(file))?.[0]]).not.toEqual([file, undefined]);
    }
  });

  test('a page or a comment that names a source file names one that is there', async () => {
    const sources = '{router,drivers,views,backends,scripts,tests,seeds}/**/*.{ts,tsx,js,css,mjs}';
    const files = [...new Bun.Glob(sources).scanSync({ cwd: repositoryRoot, dot: true })];
    const isThere = (path: string) => files.some((file) => file === path || file.endsWith(`/${path}`));
    const commented = files.filter((file) => /^(router|drivers|views|backends|scripts)\/.*\.(tsx?|js|css)$/.test(file));
    const wrong = await Promise.all(
      [...pages.filter((page) => page !== 'CHANGELOG.md'), ...commented].map(async (file) => {
        const text = await read(file).catch(() => '');
        const words = file.endsWith('.md') ? text.matchAll(/`[^`\n]+`/g) : text.matchAll(/\/\*[\s\S]*?\*\/|\/\/ .*$/gm);
        const named = [...words].flatMap(([word]) => [...word.matchAll(SOURCE_FILE)].map(([, path = '']) => path));
        return named.filter((path) => !isThere(path) && !OTHERS_FILES.has(path)).map((path) => `${file}: ${path}`);
      }),
    );
    expect(wrong.flat()).toEqual([]);
  });

  test('CONTRIBUTING names only scripts that are there, and every script', async () => {
    const named = [...(await read('CONTRIBUTING.md')).matchAll(/`bun run ([\w:-]+)/g)].map(([, name = '']) => name);
    expect([...new Set(named)].sort()).toEqual(
      Object.keys(pkg.scripts)
        .filter((name) => name !== 'start')
        .sort(),
    );
  });

  test('every driver that is there is in the README, every field that an entry may have in the backends page', async () => {
    const drivers = [...new Bun.Glob('drivers/*/index.ts').scanSync(repositoryRoot)].map((file) => file.split('/')[1]);
    const readme = await read('README.md');
    expect(drivers.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
    const guide = await read('backends/README.md');
    const { properties: entry } = entrySchema;
    const fields = [entry, entry.limits.properties, entry.timeouts.properties].flatMap(Object.keys);
    expect(fields.filter((field) => !guide.includes(`\`${field}\``))).toEqual([]);
  });

  test('docs/api.md has every endpoint that answers with JSON', async () => {
    const page = await read('docs/api.md');
    const listed = new Set(
      [...page.matchAll(/`(?:\w+) (\/(?:api|auth)\/[^`?]*)`/g)].map(([, path = '']) => plain(path)),
    );
    const files = [...new Bun.Glob('router/**/*routes*.ts*').scanSync(repositoryRoot)];
    const code = (await Promise.all(files.map(read))).join('\n');
    const served = new Set([...code.matchAll(/'(\/(?:api|auth)\/[^']*)'/g)].map(([, path = '']) => plain(path)));
    expect([...listed].sort()).toEqual([...served].sort());
  });

  test('every row of a table has as many cells as its head: further ones would not be shown', async () => {
    const cellsOf = (row: string) => row.split(/(?<!\\)\|/).length;
    let tables = 0;
    const wrong: string[] = [];
    for (const file of pages) {
      const text = (await read(file)).replace(/^```[\s\S]*?^```/gm, '');
      for (const [table] of text.matchAll(/(?:^\|.*\n)+/gm)) {
        const [head = '', ...rows] = table.trimEnd().split('\n');
        tables += 1;
        wrong.push(
          ...rows.filter((row) => cellsOf(row) !== cellsOf(head)).map((row) => `${file}: ${row.slice(0, 80)}`),
        );
      }
    }
    expect(tables).toBeGreaterThan(20);
    expect(wrong).toEqual([]);
  });

  test('every fault of docs/faults.md names tests that are there', async () => {
    const rows = [...(await read('docs/faults.md')).matchAll(/^\| \d+\.\d+ \|.*\| (.*) \|$/gm)];
    expect(rows.length).toBe(68);
    const wrong: string[] = [];
    for (const [, cell = ''] of rows) {
      const places = cell.split(/(?=\[[\w./-]+\]\(\.\.\/tests\/)/).filter((part) => part.startsWith('['));
      if (places.length === 0) wrong.push(cell);
      for (const place of places) {
        const [, file = ''] = /\]\(\.\.\/([^)]+)\)/.exec(place) ?? [];
        const isThere = existsSync(join(repositoryRoot, file));
        // Cases may be in a separate file.
        const folders = [`${dirname(file)}/*.{ts,tsx}`, 'tests/corpus/*.json'];
        const beside = folders.flatMap((one) => [...new Bun.Glob(one).scanSync(repositoryRoot)]);
        const text = isThere ? (await Promise.all(beside.map(read))).join('\n') : '';
        // A name in the table may have `…` for the part that differs between cases.
        const names = [...place.matchAll(/"([^"]+)"/g)].flatMap(([, name = '']) =>
          name.split(/%\w|\$\w+|…|\.\.\./).map((part) => part.trim()),
        );
        const told = text.replaceAll("\\'", "'");
        wrong.push(
          ...(text === '' ? [file] : names.filter((name) => !told.includes(name)).map((name) => `${file}: ${name}`)),
        );
      }
    }
    expect(wrong).toEqual([]);
  });

  test('a decision has a number of its own, a date, a status and three parts', async () => {
    const files = [...new Bun.Glob('0*.md').scanSync(join(repositoryRoot, 'docs/decisions'))].sort();
    for (const [index, file] of files.entries()) {
      const text = await read(`docs/decisions/${file}`);
      expect([file, file.slice(0, 4)]).toEqual([file, String(index + 1).padStart(4, '0')]);
      expect(text).toMatch(
        /^# \d+\. .+\n\nDate: \d{4}-\d\d-\d\d\n\nStatus: (accepted|replaced by \[).*\n\n## Context\n[\s\S]+\n## Decision\n[\s\S]+\n## Consequences\n/,
      );
    }
  });

  test('the index of decisions lists each with its title, and those that are replaced apart', async () => {
    const [inForce = '', replaced = ''] = (await read('docs/decisions/README.md')).split('\n## Replaced\n');
    const entriesOf = (text: string): string[] => text.match(/^- .+$/gm) ?? [];
    const expected: Record<'inForce' | 'replaced', string[]> = { inForce: [], replaced: [] };
    for (const file of new Bun.Glob('0*.md').scanSync(join(repositoryRoot, 'docs/decisions'))) {
      const text = await read(`docs/decisions/${file}`);
      const entry = `- [${file.slice(0, 4)}](${file}) ${/^# \d+\. (.+)/.exec(text)?.[1]}`;
      const successor = /^Status: replaced by (\[\d+\]\(.+?\))/m.exec(text)?.[1];
      if (successor === undefined) expected.inForce.push(entry);
      else expected.replaced.push(`${entry} → ${successor}`);
    }
    expect(entriesOf(inForce).sort()).toEqual(expected.inForce.sort());
    expect(entriesOf(replaced).sort()).toEqual(expected.replaced.sort());
  });
});
