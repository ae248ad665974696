/** `bun scripts/docs.ts`: generates `.env.example` and the table of settings from `router/config/settings.ts`. */
import { join } from 'node:path';
import type { Setting } from '../router/config/define';
import { repositoryRoot } from '../router/config/root';
import { settingGroups } from '../router/config/settings';

const start = '<!-- settings:start -->';
const end = '<!-- settings:end -->';

const groups = Object.entries<Record<string, Setting>>(settingGroups);

const unset = (setting: Setting): string | undefined =>
  setting.default ? `\`${setting.default}\`` : setting.whenUnset;

/**
 * Returns the text of `.env.example`. Only required settings have no `#`, with a placeholder that the router refuses.
 */
export function envExample(): string {
  const sections = groups.map(([heading, group]) => {
    const entries = Object.entries(group).map(([name, setting]) => {
      const comment = setting.whenUnset ? `${setting.description} Unset: ${setting.whenUnset}.` : setting.description;
      const value = setting.isSecret ? 'CHANGE_ME' : (setting.default ?? setting.example);
      return `# ${comment}\n${setting.required ? '' : '# '}${name}=${value}\n`;
    });
    return `## ${heading}\n\n${entries.join('\n')}`;
  });
  const header =
    '# Settings of agent-stack, with their defaults. The first start makes an .env with the secrets by itself.\n' +
    '# Generated from router/config/settings.ts by `bun scripts/docs.ts`.\n';
  return [header, ...sections].join('\n');
}

/** Returns the settings as a Markdown table. */
export function settingsTable(): string {
  const rows = groups.flatMap(([heading, group]) => [
    `| **${heading}** | | |`,
    ...Object.entries(group).map(([name, setting]) => {
      return `| \`${name}\` | ${setting.required ? 'required' : (unset(setting) ?? '')} | ${setting.description} |`;
    }),
  ]);
  return ['| Variable | Default | Meaning |', '|---|---|---|', ...rows].join('\n');
}

/** Replaces the table in the page; returns the page unchanged if it has no markers. */
export function withSettings(page: string): string {
  const [before, rest] = page.split(start);
  const after = rest?.split(end)[1];
  return after === undefined ? page : `${before}${start}\n${settingsTable()}\n${end}${after}`;
}

if (import.meta.main) {
  await Bun.write(join(repositoryRoot, '.env.example'), envExample());
  const page = Bun.file(join(repositoryRoot, 'docs/settings.md'));
  await Bun.write(page, withSettings(await page.text()));
}
