// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of seeds look like that.
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type PrepareHomeOptions,
  prepareHome,
  SeedError,
  TemplateError,
  UnsafePathError,
} from '../../router/agents/homes';
import { moveToTrash } from '../../router/agents/trash';

const AGENT = '0123456789abcdef01234567';

let root: string;
let seedDir: string;
let homesRoot: string;
let home: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'agent-stack-homes-'));
  seedDir = join(root, 'seed');
  homesRoot = join(root, 'data/homes');
  home = join(homesRoot, AGENT);
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function seed(files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(seedDir, { recursive: true });
  await plant(seedDir, files);
}

async function plant(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

function prepare(options: Partial<PrepareHomeOptions> = {}): Promise<{ path: string }> {
  return prepareHome({ homesRoot, agentId: AGENT, seedDir, templatedFiles: [], variables: {}, ...options });
}

const read = (path: string) => readFile(join(home, path), 'utf8');
const modeOf = async (path: string) => (await lstat(path)).mode & 0o777;

describe('a home is prepared', () => {
  test('from its seed, under the id of the agent', async () => {
    await seed({ 'AGENTS.md': 'Hello', 'skills/one/SKILL.md': 'One' });
    expect(await prepare()).toEqual({ path: home });
    expect(await read('AGENTS.md')).toBe('Hello');
    expect(await read('skills/one/SKILL.md')).toBe('One');
  });

  test('without a seed as an empty folder', async () => {
    await prepareHome({ homesRoot, agentId: AGENT, templatedFiles: [], variables: {} });
    expect(await readdir(home)).toEqual([]);
  });

  test('with folders of 0700 and files of 0600, whatever the seed has', async () => {
    await seed({ 'config.json': '{}', 'deep/er/file.txt': 'x', 'bin/tool.sh': '#!/bin/sh' });
    await chmod(join(seedDir, 'config.json'), 0o644);
    await chmod(join(seedDir, 'bin/tool.sh'), 0o755);
    await prepare({ templatedFiles: ['config.json'] });
    for (const folder of ['', 'deep', 'deep/er', 'bin']) expect(await modeOf(join(home, folder))).toBe(0o700);
    for (const file of ['config.json', 'deep/er/file.txt']) expect(await modeOf(join(home, file))).toBe(0o600);
    expect(await modeOf(join(home, 'bin/tool.sh'))).toBe(0o700);
    expect(await modeOf(homesRoot)).toBe(0o700);
  });

  test('by copying a file once and rendering a templated one at every start', async () => {
    await seed({ 'AGENTS.md': 'for ${NAME}', 'notes.md': 'as ${IT} is' });
    const start = (name: string) => prepare({ templatedFiles: ['AGENTS.md'], variables: { NAME: name } });
    await start('Ada');
    expect(await read('AGENTS.md')).toBe('for Ada');
    expect(await read('notes.md')).toBe('as ${IT} is');
    await plant(home, { 'AGENTS.md': 'edited', 'notes.md': 'edited', 'mine.md': 'mine' });
    await seed({ 'notes.md': 'newer' });
    await start('Bob');
    expect(await read('AGENTS.md')).toBe('for Bob');
    expect(await read('notes.md')).toBe('edited');
    expect(await read('mine.md')).toBe('mine');
    expect((await readdir(home)).sort()).toEqual(['AGENTS.md', 'mine.md', 'notes.md']);
  });

  test('with bytes that are not text as they are', async () => {
    await seed({});
    const bytes = new Uint8Array([0, 255, 36, 123, 88, 125, 200]);
    await writeFile(join(seedDir, 'image.bin'), bytes);
    await prepare();
    expect(new Uint8Array(await readFile(join(home, 'image.bin')))).toEqual(bytes);
    await expect(prepare({ templatedFiles: ['image.bin'] })).rejects.toThrow(SeedError);
  });

  test.if(process.getuid?.() === 0)('for the user the runner has, without touching what others made', async () => {
    await seed({ 'config.json': '{}', 'deep/file.txt': 'x' });
    await mkdir(home, { recursive: true });
    await plant(home, { 'mine.txt': 'mine', 'own/x': 'x' });
    await prepare({ templatedFiles: ['config.json'], owner: { uid: 1234, gid: 2345 } });
    for (const path of ['', 'config.json', 'deep', 'deep/file.txt']) {
      const { uid, gid } = await lstat(join(home, path));
      expect([path, uid, gid]).toEqual([path, 1234, 2345]);
    }
    for (const path of ['mine.txt', 'own', 'own/x']) expect((await lstat(join(home, path))).uid).toBe(0);
    expect((await lstat(homesRoot)).uid).toBe(0);
  });

  test('for plain ids only', async () => {
    await seed({});
    for (const agentId of ['', '.', '..', '../x', 'a/b', '.trash', 'a.b', 'a\0b', 'x'.repeat(65)]) {
      await expect(prepare({ agentId })).rejects.toThrow(TypeError);
      await expect(moveToTrash(homesRoot, agentId)).rejects.toThrow(TypeError);
    }
  });
});

describe('a link or a pipe in a home', () => {
  const templated = { templatedFiles: ['config.json', 'deep/config.json'], variables: { X: 'rendered' } };
  let outside: string;
  beforeEach(async () => {
    outside = join(root, 'outside');
    await plant(outside, { victim: 'untouched', 'config.json': 'untouched' });
    await seed({
      'config.json': '{"x":"${X}"}',
      'deep/config.json': '{"x":"${X}"}',
      'plain.txt': 'plain',
      'free/file': 'x',
    });
    await mkdir(home, { recursive: true });
  });

  async function expectOutsideUntouched(): Promise<void> {
    expect((await readdir(outside)).sort()).toEqual(['config.json', 'victim']);
    for (const name of ['victim', 'config.json']) {
      expect(await readFile(join(outside, name), 'utf8')).toBe('untouched');
      expect((await lstat(join(outside, name))).uid).toBe(process.getuid?.() ?? 0);
    }
  }

  test('law 7: a link in place of a templated file is replaced, and its target is not written', async () => {
    await symlink(join(outside, 'victim'), join(home, 'config.json'));
    await prepare(templated);
    await expectOutsideUntouched();
    expect((await lstat(join(home, 'config.json'))).isFile()).toBe(true);
    expect(JSON.parse(await read('config.json'))).toEqual({ x: 'rendered' });
  });

  test('law 7: a link in place of a folder on the way to a templated file is refused by name', async () => {
    for (const target of [outside, join(outside, 'victim'), join(root, 'nowhere'), '.']) {
      await symlink(target, join(home, 'deep'));
      const refused = prepare(templated);
      await expect(refused).rejects.toThrow(UnsafePathError);
      await expect(refused).rejects.toThrow(join(AGENT, 'deep'));
      expect(await readlink(join(home, 'deep'))).toBe(target);
      await rm(join(home, 'deep'));
    }
    await expectOutsideUntouched();
  });

  test('law 7: a link in place of the home itself is refused', async () => {
    await rm(home, { recursive: true });
    await symlink(outside, home);
    await expect(prepare(templated)).rejects.toThrow(UnsafePathError);
    await expectOutsideUntouched();
  });

  test('law 7: a link in place of a file that is copied once is left alone, also one to nowhere', async () => {
    await symlink(join(outside, 'new'), join(home, 'plain.txt'));
    await symlink(outside, join(home, 'free'));
    await prepare(templated);
    await expectOutsideUntouched();
    expect(await readlink(join(home, 'plain.txt'))).toBe(join(outside, 'new'));
    expect(await readlink(join(home, 'free'))).toBe(outside);
  });

  test.if(process.getuid?.() === 0)('law 7: ownership never changes behind a link', async () => {
    await symlink(join(outside, 'victim'), join(home, 'config.json'));
    await symlink(outside, join(home, 'free'));
    await prepare({ ...templated, owner: { uid: 1234, gid: 1234 } });
    await expectOutsideUntouched();
    expect((await lstat(outside)).uid).toBe(0);
    expect((await lstat(join(home, 'config.json'))).uid).toBe(1234);
  });

  test('law 7: a pipe in place of a templated file does not hang the router', async () => {
    await Bun.$`mkfifo ${join(home, 'config.json')} ${join(home, 'plain.txt')}`;
    await prepare(templated);
    expect(JSON.parse(await read('config.json'))).toEqual({ x: 'rendered' });
    expect((await lstat(join(home, 'plain.txt'))).isFIFO()).toBe(true);
  });

  test('law 7: a second name of a file elsewhere is replaced, not written through', async () => {
    await link(join(outside, 'victim'), join(home, 'config.json'));
    await prepare(templated);
    await expectOutsideUntouched();
    expect(JSON.parse(await read('config.json'))).toEqual({ x: 'rendered' });
  });

  test('law 7: a folder in place of a templated file is refused by name and nothing is left behind', async () => {
    await mkdir(join(home, 'config.json/inside'), { recursive: true });
    await expect(prepare(templated)).rejects.toThrow(UnsafePathError);
    expect((await readdir(home)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('in the seed is refused by name before anything is written', async () => {
    await symlink('/etc/passwd', join(seedDir, 'free/passwd'));
    await expect(prepare(templated)).rejects.toThrow('free/passwd');
    expect(await readdir(home)).toEqual([]);
    await expect(prepare({ seedDir: join(root, 'no-seed') })).rejects.toThrow(SeedError);
  });
});

test('a template that fails leaves the home as it was, and its error shows no value', async () => {
  await seed({ 'a.md': 'x', 'b.md': '${SECRET}${MISSING}', '.env': 'A=${SECRET}' });
  const variables = { SECRET: 'hunter2\n' };
  for (const file of ['b.md', '.env']) {
    const error = await prepare({ templatedFiles: ['a.md', file], variables }).catch((reason) => reason);
    expect(error).toBeInstanceOf(TemplateError);
    expect(`${error.message} ${error.stack}`).not.toContain('hunter2');
  }
  expect(await readdir(root)).toEqual(['seed']);
  await expect(prepare({ templatedFiles: ['missing.md'] })).rejects.toThrow('missing.md is not in the seed');
});

describe('a home that is given up', () => {
  test('law 7: goes to the trash, and a new one of that id starts from the seed', async () => {
    await seed({ 'AGENTS.md': 'Hello' });
    expect(await moveToTrash(homesRoot, AGENT)).toBeUndefined();
    await prepare();
    await plant(home, { secret: 'mine' });
    const moved = await moveToTrash(homesRoot, AGENT);
    expect(moved).toStartWith(join(homesRoot, '.trash', `${AGENT}-`));
    expect(await readFile(join(moved ?? '', 'secret'), 'utf8')).toBe('mine');
    await prepare();
    expect(await readdir(home)).toEqual(['AGENTS.md']);
    expect(await modeOf(join(homesRoot, '.trash'))).toBe(0o700);
  });
});
