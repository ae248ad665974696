/**
 * Runs before each start. Bundles the router into one file with its bytecode, and its worker threads into files of
 * their own: this starts in half the time of its 650 modules. Prints the path of the file. Builds again if the sources,
 * their folder or the version of Bun has changed.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, parse } from 'node:path';

/** Patterns of the files that the bundle is made of. */
export const INPUTS = [
  ...['{router,views}/**/*.{ts,tsx}', 'drivers/**/*', 'backends/{shared/*.ts,shapes.json}'],
  ...['{package,tsconfig}.json', 'bun.lock'],
];

const NOT_READ =
  'Bun makes no bytecode of the sources. Of import.meta they may use dir, file, path, url and main, and nothing else.';

/** The router's worker threads, which become separate files. Key: the module that has the thread's path. */
export const WORKERS = {
  'router/accounts/passwords/hashing-file.ts': {
    name: 'hashingFile',
    worker: 'router/accounts/passwords/hashing-worker.ts',
  },
  'router/database/checkpoint-file.ts': { name: 'checkpointFile', worker: 'router/database/checkpoint-worker.ts' },
  'router/backup/worker-file.ts': { name: 'backupWorkerFile', worker: 'router/backup/backup-worker.ts' },
  'router/chat/search/index-file.ts': { name: 'indexFile', worker: 'router/chat/search/index-worker.ts' },
  'router/web/rendering/worker-file.ts': { name: 'workerFile', worker: 'router/web/rendering/markdown-worker.ts' },
};

/** @returns Path of the file to run in place of `router/main.ts`. Rejects when the build fails. */
export async function build(root: string): Promise<string> {
  const folder = join(root, 'node_modules/.cache/agent-stack');
  const [file, keyFile] = [join(folder, 'main.js'), join(folder, 'key')];
  const key = keyOf(root);
  if (existsSync(file) && existsSync(keyFile) && readFileSync(keyFile, 'utf8') === key) return file;
  await mkdir(folder, { recursive: true });
  const made = await mkdtemp(join(folder, 'new-'));
  try {
    const entrypoints = ['router/main.ts', ...Object.values(WORKERS).map(({ worker }) => worker)];
    const later = new Map<string, string>();
    await bundle({
      entrypoints: entrypoints.map((entry) => join(root, entry)),
      naming: '[name].[ext]',
      files: { ...driverFiles(root), ...workerFiles(root, (worker) => join(folder, `${parse(worker).name}.js`)) },
      plugins: [apart((name) => join(folder, `${name}.js`), later)],
      outdir: made,
    });
    for (const [name, entry] of later) {
      await bundle({ entrypoints: [entry], naming: `${name}.[ext]`, outdir: made });
    }
    await writeFile(join(made, 'key'), key);
    // Written last: without the key, the next start builds again.
    await rm(keyFile, { force: true });
    const names = await readdir(made);
    for (const name of names.sort(keyLast)) await rename(join(made, name), join(folder, name));
  } finally {
    await rm(made, { recursive: true, force: true });
  }
  return file;
}

/** Throws when Bun makes no bytecode of an entry. */
async function bundle(options: Omit<Bun.BuildConfig, 'target' | 'format' | 'bytecode'>): Promise<void> {
  const { outputs } = await Bun.build({
    ...options,
    // Optional dependencies of packages. They work without them, because nothing is compiled at installation.
    // And what is loaded only where traces are on, from its package.
    external: ['*.node', '@opentelemetry/*'],
    target: 'bun',
    // Bytecode needs this format. In it `import.meta.dir` is the folder of the source.
    format: 'cjs',
    bytecode: true,
  });
  const count = (what: string) => outputs.filter(({ kind }) => kind === what).length;
  if (count('bytecode') < count('entry-point')) throw new Error(NOT_READ);
}

/**
 * Has packages that are imported when they are needed read from files of their own, and not with every start.
 * @param found receives the name and the entry of each.
 */
function apart(fileOf: (name: string) => string, found: Map<string, string>): Bun.BunPlugin {
  return {
    name: 'apart',
    setup: ({ onResolve }) =>
      void onResolve({ filter: /^[a-z][a-z-]*$/ }, ({ path: name, kind, importer }) => {
        if (kind !== 'dynamic-import') return undefined;
        const entry = Bun.resolveSync(name, dirname(importer));
        // If a package has two versions, only the first is collected; the second stays where it is imported.
        if ((found.get(name) ?? entry) !== entry) return undefined;
        found.set(name, entry);
        return { path: fileOf(name), external: true };
      }),
  };
}

const keyLast = (a: string, b: string) => Number(a === 'key') - Number(b === 'key');

/** Replaces the modules that have a worker's path. @param pathOf where this build has the worker with this source. */
export function workerFiles(root: string, pathOf: (worker: string) => string): Record<string, string> {
  const made = Object.entries(WORKERS).map(([file, { name, worker }]) => [
    join(root, file),
    `export const ${name} = ${JSON.stringify(pathOf(worker))};`,
  ]);
  return Object.fromEntries(made);
}

/**
 * Replaces `platforms/load.ts` so that the drivers are in the bundle. Drivers loaded from their sources would load a
 * second TypeBox.
 */
export function driverFiles(root: string): Record<string, string> {
  const files = [...new Set(new Bun.Glob('drivers/*/index.ts').scanSync({ cwd: root, absolute: true }))].sort();
  const known = files.map((file) => JSON.stringify(file)).map((file) => `[${file}, () => import(${file})]`);
  const text = `const known = new Map([${known.join(', ')}]);
    export const ownDrivers = () => [...known.keys()];
    export const importDriver = (file) => known.get(file)?.() ?? import(file);`;
  return { [join(root, 'router/platforms/load.ts')]: text };
}

/** Hashes everything that the bundle depends on: contents of the sources, their folder, and the version of Bun. */
function keyOf(root: string): string {
  const hash = new Bun.CryptoHasher('sha256').update(`${Bun.revision}\n${root}\n`);
  const files = INPUTS.flatMap((pattern) => [...new Bun.Glob(pattern).scanSync({ cwd: root })]);
  for (const file of files.sort()) hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

if (import.meta.main) {
  try {
    process.stdout.write(`${await build(join(import.meta.dir, '..'))}\n`);
  } catch (error) {
    process.stderr.write(`The router could not be made into one file: ${Bun.inspect(error)}\n`);
    process.exit(1);
  }
}
