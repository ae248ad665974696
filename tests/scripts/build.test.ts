/** What runs is made of these very sources, whatever was made before. */
import { expect, test } from 'bun:test';
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, INPUTS } from '../../scripts/build';
import { readSources } from '../support/sources';

/** A small program in the place of the router's. Its words say where its own source is, and what another one says. */
async function program() {
  const folder = await mkdtemp(join(tmpdir(), 'agent-stack-build-'));
  const root = join(folder, 'clone');
  const write = (word: string) => writeFile(join(root, 'views/word.ts'), `export const word = '${word}';\n`);
  await mkdir(join(root, 'router/platforms'), { recursive: true });
  await mkdir(join(root, 'router/web/rendering'), { recursive: true });
  await mkdir(join(root, 'router/backup'));
  await mkdir(join(root, 'views'));
  await mkdir(join(root, 'node_modules'));
  await writeFile(
    join(root, 'router/main.ts'),
    "import { word } from '../views/word';\nconsole.log(import.meta.dir, word);\n",
  );
  await writeFile(join(root, 'router/web/rendering/worker-file.ts'), "export const workerFile = 'of the sources';\n");
  const worker = "import { word } from '../../../views/word';\npostMessage(word + ' in a thread');\n";
  await writeFile(join(root, 'router/web/rendering/markdown-worker.ts'), worker);
  await writeFile(join(root, 'router/backup/worker-file.ts'), "export const backupWorkerFile = 'of the sources';\n");
  await writeFile(join(root, 'router/backup/backup-worker.ts'), 'postMessage(1);\n');
  await mkdir(join(root, 'router/database'));
  await writeFile(
    join(root, 'router/database/checkpoint-file.ts'),
    "export const checkpointFile = 'of the sources';\n",
  );
  await writeFile(join(root, 'router/database/checkpoint-worker.ts'), 'postMessage(1);\n');
  await mkdir(join(root, 'router/chat/search'), { recursive: true });
  await writeFile(join(root, 'router/chat/search/index-file.ts'), "export const indexFile = 'of the sources';\n");
  await writeFile(join(root, 'router/chat/search/index-worker.ts'), 'postMessage(1);\n');
  await mkdir(join(root, 'router/accounts/passwords'), { recursive: true });
  await writeFile(
    join(root, 'router/accounts/passwords/hashing-file.ts'),
    "export const hashingFile = 'of the sources';\n",
  );
  await writeFile(join(root, 'router/accounts/passwords/hashing-worker.ts'), 'postMessage(1);\n');
  await write('first');
  return { folder, root, write, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

const said = (file: string) => Bun.spawnSync([process.execPath, '--no-env-file', file]).stdout.toString().trim();

test('a change of a source is in the next file, and without one the file stays', async () => {
  await using made = await program();
  const file = await build(made.root);
  expect(said(file)).toBe(`${made.root}/router first`);
  const { mtimeMs } = await stat(file);
  expect(await build(made.root)).toBe(file);
  expect((await stat(file)).mtimeMs).toBe(mtimeMs);
  await made.write('other');
  expect(said(await build(made.root))).toBe(`${made.root}/router other`);
  expect((await readdir(join(file, '..'))).sort()).toEqual([
    ...['backup-worker.js', 'backup-worker.js.jsc', 'checkpoint-worker.js', 'checkpoint-worker.js.jsc'],
    ...['hashing-worker.js', 'hashing-worker.js.jsc', 'index-worker.js', 'index-worker.js.jsc'],
    ...['key', 'main.js', 'main.js.jsc'],
    ...['markdown-worker.js', 'markdown-worker.js.jsc'],
  ]);
});

test('a change of any file that the router imports makes its bundle anew', async () => {
  const globs = INPUTS.map((pattern) => new Bun.Glob(pattern));
  const isInput = (path: string) => globs.some((glob) => glob.match(path));
  const sources = (await readSources(['router', 'views', 'drivers', 'backends'])).filter(({ path }) => isInput(path));
  expect(sources.map(({ path }) => path)).toContain('router/main.ts');
  const missing = sources.flatMap(({ path, imports }) =>
    imports
      .filter(({ isOurs, target }) => isOurs && !['', '.ts', '.tsx', '/index.ts'].some((end) => isInput(target + end)))
      .map(({ target }) => `${path} imports ${target}: name it among the INPUTS of scripts/build.ts`),
  );
  expect(missing).toEqual([]);
});

test('a thread runs from a file that was made with the router, not from what its sources are by then', async () => {
  await using made = await program();
  await Bun.write(
    join(made.root, 'router/main.ts'),
    `import { workerFile } from './web/rendering/worker-file';
    const worker = new Worker(workerFile);
    worker.onmessage = ({ data }) => { console.log(data); process.exit(); };`,
  );
  const file = await build(made.root);
  await made.write('later');
  expect(said(file)).toBe('first in a thread');
});

test('a folder that was moved gets a file of its own', async () => {
  await using made = await program();
  await build(made.root);
  const moved = join(made.folder, 'moved');
  await rename(made.root, moved);
  expect(said(await build(moved))).toBe(`${moved}/router first`);
});

test('the drivers beside the router share its modules, and one from elsewhere is loaded from there', async () => {
  await using made = await program();
  const source = (path: string, text: string) => Bun.write(join(made.root, path), text);
  await source('drivers/driver.ts', 'export const only = {};\n');
  await source('drivers/near/index.ts', "import { only } from '../driver';\nexport default only;\n");
  await source('elsewhere/far/index.ts', "export default 'from afar';\n");
  await source('router/platforms/load.ts', 'export const importDriver = (file: string) => import(file);\n');
  await source(
    'router/main.ts',
    `import { join } from 'node:path';
    import { only } from '../drivers/driver';
    import { importDriver } from './platforms/load';
    const load = async (path: string) => (await importDriver(join(import.meta.dir, '..', path))).default;
    const loaded = Promise.all([load('drivers/near/index.ts'), load('elsewhere/far/index.ts')]);
    loaded.then(([near, far]) => console.log(near === only, far));`,
  );
  expect(said(await build(made.root))).toBe('true from afar');
});

test('sources that cannot be made into a file are refused, and nothing made of others is in their place', async () => {
  for (const text of ['export const word = ;', 'export const word = import.meta.resolve("./x");']) {
    await using made = await program();
    await build(made.root);
    await writeFile(join(made.root, 'views/word.ts'), text);
    for (const _ of ['once', 'and again']) await expect(build(made.root)).rejects.toThrow();
  }
});
