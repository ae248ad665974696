/** Files of administrators and agents: `backends.json`, the templates of a seed, and the home of an agent. */
import { afterAll, beforeAll, expect } from 'bun:test';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import shipped from '../../backends.json';
import { prepareHome, UnsafePathError } from '../../router/agents/homes';
import { renderTemplate, TemplateError } from '../../router/agents/seed-templates';
import { parseEntries } from '../../router/backends/parse';
import { anyText, fuzz, mutated } from './fuzz';

fuzz('a backends.json of any shape is taken or refused by the place that is wrong', {
  inputs: fc.oneof({ weight: 5, arbitrary: mutated(shipped).map((file) => JSON.stringify(file) ?? '') }, anyText),
  rule(text) {
    const { entries, problems } = parseEntries('backends.json', text);
    expect(Array.isArray(entries)).toBe(true);
    for (const problem of problems) expect(problem).toStartWith('backends.json');
  },
});

/** A value that a person may set: one line. */
const line = anyText.map((text) => text.replace(/[\r\n\0]/g, ' '));

fuzz('a value of any kind goes through a template of every format as it is', {
  inputs: fc.record({ VALUE: line, OTHER: line }),
  rule(variables) {
    const render = (file: string, text: string) => renderTemplate(file, text, variables);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: placeholders of seeds look like that
    const [json, yaml, env] = ['{"a": "x${VALUE}", "b": "${OTHER}"}', 'a: ${VALUE}\nb: "y ${OTHER}"\n', 'A=${VALUE}\n'];
    expect(JSON.parse(render('c.json', json))).toEqual({ a: `x${variables.VALUE}`, b: variables.OTHER });
    expect(Bun.YAML.parse(render('c.yaml', yaml))).toEqual({ a: variables.VALUE, b: `y ${variables.OTHER}` });
    try {
      expect(render('.env', env)).toStartWith('A=');
    } catch (error) {
      // Values that no quoting of dotenv can express are refused.
      expect(error).toBeInstanceOf(TemplateError);
    }
  },
});

fuzz('a template of any text is rendered or refused', {
  inputs: fc.record({ file: fc.constantFrom('c.json', 'c.yaml', 'c.yml', '.env', 'A.md', 'a.txt'), text: anyText }),
  rule({ file, text }) {
    try {
      expect(renderTemplate(file, text, { VALUE: 'v', OTHER: 'o' })).toBeString();
    } catch (error) {
      expect(error).toBeInstanceOf(TemplateError);
    }
  },
});

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'agent-stack-fuzz-'));
  await mkdir(join(root, 'seed/skills/one'), { recursive: true });
  await writeFile(join(root, 'seed/AGENTS.md'), 'Hello $' + '{VALUE}');
  await writeFile(join(root, 'seed/skills/one/SKILL.md'), 'One');
  await mkdir(join(root, 'outside'));
  await writeFile(join(root, 'outside/secret'), 'untouched');
});
afterAll(() => rm(root, { recursive: true, force: true }));

const PLACES = ['AGENTS.md', 'skills', 'skills/one', 'skills/one/SKILL.md', 'skills/one/more', 'other'];
/** An entry that an agent may have created at this path of its home. */
const planted = fc.array(
  fc.record({
    place: fc.constantFrom(...PLACES),
    what: fc.constantFrom('link to a file', 'link to a folder', 'link to itself', 'file', 'folder', 'pipe'),
  }),
  { maxLength: 5 },
);

fuzz('law 7: whatever an agent has put into its home, a start writes nothing outside of it', {
  inputs: planted,
  async rule(things) {
    const agentId = crypto.randomUUID().replaceAll('-', '').slice(0, 24);
    const homesRoot = join(root, 'homes');
    const home = join(homesRoot, agentId);
    await mkdir(home, { recursive: true });
    for (const { place, what } of things) await plant(join(home, place), what).catch(() => undefined);
    // An agent may write through its own links; the router must not.
    const before = await outside();
    const options = {
      homesRoot,
      agentId,
      seedDir: join(root, 'seed'),
      templatedFiles: ['AGENTS.md'],
      variables: { VALUE: 'v' },
    };
    await prepareHome(options).catch((error: unknown) => expect(error).toBeInstanceOf(UnsafePathError));
    expect(await outside()).toEqual(before);
    await rm(home, { recursive: true, force: true });
    for (const path of await readdir(join(root, 'outside'))) {
      if (path !== 'secret') await rm(join(root, 'outside', path), { recursive: true });
    }
  },
});

/** Every path outside of the homes, with the text of the one file there. */
async function outside(): Promise<unknown> {
  // Does not follow links, because some lead to themselves.
  const paths = await Bun.$`find ${join(root, 'outside')}`.text();
  return [paths.split('\n').sort(), await readFile(join(root, 'outside/secret'), 'utf8')];
}

async function plant(path: string, what: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  if (what === 'link to a file') await symlink(join(root, 'outside/secret'), path);
  else if (what === 'link to a folder') await symlink(join(root, 'outside'), path);
  else if (what === 'link to itself') await symlink(path, path);
  else if (what === 'folder') await mkdir(path);
  else if (what === 'pipe') Bun.spawnSync(['mkfifo', path]);
  else await writeFile(path, 'mine', { flag: 'wx' });
}
