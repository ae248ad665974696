/**
 * `bun run executable [file]`: builds the router as one executable file for this machine's kind, by default
 * `tmp/agent-stack`. It has Bun, the router with its threads and drivers, and the files that it unpacks at its first start.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { driverFiles, WORKERS, workerFiles } from '../build';
import { readArguments } from '../command';

const root = resolve(import.meta.dir, '../..');
const at = (path: string) => join(root, path);

/** Files as they are. */
const FILES = [
  ...['package.json', 'backends.json', '.env.example', 'LICENSE', 'views/assets/**/*', 'seeds/**/*'],
  ...['router/database/migrations/*.sql', 'router/database/migrations/meta/_journal.json'],
  ...['node_modules/htmx.org/dist/htmx.min.js', 'node_modules/htmx.org/dist/ext/hx-sse.min.js'],
];
/** Programs of their own, each bundled into one file under its own name. */
const PROGRAMS = 'backends/*/main.ts';

/** Path below the root → content. */
async function filesToBring(): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const pattern of FILES) {
    const names = [...new Bun.Glob(pattern).scanSync({ cwd: root, dot: true })].sort();
    if (names.length === 0) throw new Error(`There is no ${pattern}`);
    for (const name of names) files.set(name, await readFile(join(root, name)));
  }
  for (const program of [...new Bun.Glob(PROGRAMS).scanSync({ cwd: root })].sort()) {
    const { outputs } = await Bun.build({ entrypoints: [join(root, program)], target: 'bun' });
    for (const output of outputs) files.set(program, new Uint8Array(await output.arrayBuffer()));
  }
  return files;
}

/** Builds the executable at `outfile`. */
export async function buildExecutable(outfile: string): Promise<void> {
  const files = await filesToBring();
  const text = JSON.stringify(
    Object.fromEntries([...files].map(([path, bytes]) => [path, Buffer.from(bytes).toString('base64')])),
  );
  await mkdir(dirname(outfile), { recursive: true });
  const made = await mkdtemp(join(dirname(outfile), '.executable-'));
  try {
    await writeFile(join(made, 'archive.json'), text);
    await Bun.build({
      entrypoints: ['scripts/executable/main.ts', ...Object.values(WORKERS).map(({ worker }) => worker)].map(at),
      root,
      files: {
        [at('scripts/executable/archive.ts')]: archiveModule(join(made, 'archive.json'), text),
        [at('router/config/root.ts')]: `export * from ${JSON.stringify(at('scripts/executable/root.ts'))};`,
        ...driverFiles(root),
        // Where Bun mounts what is in an executable.
        ...workerFiles(root, (worker) => join('/$bunfs/root', worker)),
      },
      external: ['*.node'],
      target: 'bun',
      // A bunfig.toml could name code to run first, and agents can write into the working folder.
      compile: { outfile, autoloadBunfig: false },
    });
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

/** Takes the place of `archive.ts`. */
function archiveModule(path: string, text: string): string {
  const key = new Bun.CryptoHasher('sha256').update(text).digest('hex').slice(0, 16);
  return `import file from ${JSON.stringify(path)} with { type: 'file' };
    export const archive = { file, key: '${key}' };`;
}

if (import.meta.main) {
  const { args } = readArguments({
    usage: 'Usage: bun run executable [file]   builds the router as one file, by default tmp/agent-stack',
    argumentsMax: 1,
  });
  const outfile = resolve(args[0] ?? join(root, 'tmp/agent-stack'));
  await buildExecutable(outfile);
  process.stdout.write(`${outfile}\n`);
}
