import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { ConfigError, loadConfig } from '../router/config';
import { repositoryRoot } from '../router/setting-kinds';
import { settings } from '../router/settings';
import { envExample, settingsTable, withSettings } from '../scripts/docs';

const read = (file: string): Promise<string> => Bun.file(join(repositoryRoot, file)).text();

test('.env.example is what `bun scripts/docs.ts` writes', async () => {
  expect(await read('.env.example')).toBe(envExample());
});

test("the README's settings table is what `bun scripts/docs.ts` writes", async () => {
  const readme = Bun.file(join(repositoryRoot, 'README.md'));
  if (await readme.exists()) expect(await readme.text()).toBe(withSettings(await readme.text()));
});

test('the table goes between its markers and nowhere else', () => {
  const readme = 'before\n<!-- settings:start -->\nold\n<!-- settings:end -->\nafter\n';
  expect(withSettings(readme)).toBe(
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
