/** The source files and their imports, for tests of the layers. */
import { dirname, join, normalize } from 'node:path';
import { repositoryRoot } from '../../router/config/root';

export interface Import {
  /** `router/accounts/keys/keys` for our own files, otherwise as written: `elysia`, `node:path`. */
  readonly target: string;
  readonly isOurs: boolean;
  readonly isType: boolean;
}

export interface Source {
  readonly path: string;
  readonly text: string;
  /** The source without types and comments. */
  readonly code: string;
  readonly imports: readonly Import[];
}

/** Every source file below the folders, in order of their paths. */
export async function readSources(folders: readonly string[]): Promise<readonly Source[]> {
  const files = folders.flatMap((folder) => [
    ...new Bun.Glob(`${folder}/**/*.{ts,tsx}`).scanSync({ cwd: repositoryRoot }),
  ]);
  return Promise.all(
    files
      .filter((file) => !file.endsWith('.d.ts'))
      .sort()
      .map(readSource),
  );
}

async function readSource(path: string): Promise<Source> {
  const text = await Bun.file(join(repositoryRoot, path)).text();
  const transpiler = new Bun.Transpiler({ loader: path.endsWith('x') ? 'tsx' : 'ts', target: 'bun' });
  const statements = text.matchAll(/^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)';/gm);
  const expressions = text.matchAll(/(await )?\bimport\('([^']+)'\)/g);
  const required = text.matchAll(/\brequire\('([^']+)'\)/g);
  const imports = [
    ...[...statements].map(([, type, name = '']) => toImport(path, name, type !== undefined)),
    ...[...expressions].map(([, awaited, name = '']) => toImport(path, name, awaited === undefined)),
    ...[...required].map(([, name = '']) => toImport(path, name, false)),
  ];
  return { path, text, code: transpiler.transformSync(text), imports };
}

function toImport(from: string, name: string, isType: boolean): Import {
  if (!name.startsWith('.')) return { target: name, isOurs: false, isType };
  return { target: normalize(join(dirname(from), name)).replace(/\.tsx?$/, ''), isOurs: true, isType };
}
