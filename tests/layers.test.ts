/**
 * The import rules of the source tree, over one ordered list of subjects. A new file finds its place by its folder and its
 * name, and is listed nowhere. CONTRIBUTING.md shows the tree.
 */
import { beforeAll, expect, test } from 'bun:test';
import pkg from '../package.json';
import { type Import, readSources, type Source } from './support/sources';

/** Folders of `router/` from the ground up: each may import from those before it, and from itself. */
const SUBJECTS = [
  ...['lib', 'config', 'database', 'backup', 'net', 'relay', 'web'],
  ...[
    'audit',
    'accounts',
    'backends',
    'platforms',
    'agents',
    'files',
    'attachments',
    'credentials',
    'metrics',
    'runners',
    'usage',
    'broker',
  ],
  ...['chat', 'schedules', 'openai', 'settings', 'admin', 'reference'],
];
/** Files that wire the subjects together. */
const WIRING = ['router/main.ts', 'router/app.ts', 'router/context.ts', 'router/stores.ts'];

/**
 * Files by their role: the HTTP edge, rows → what a view takes, functions over tables. A folder that has the name of a role
 * inside a subject (`chat/store/`) gives it to its files.
 */
const isEdge = (path: string) => /(^|[/-])(routes|present|live)((-[a-z]+)?\.tsx?$|\/)/.test(path);
const isStore = (path: string) => /(^|[/-])store((-[a-z]+)?\.ts$|\/)/.test(path);
/** Roles inside a subject: each knows those before it. */
const ROLES = ['store', 'rules', 'present', 'routes'];
function rankOf(path: string): number {
  if (isStore(path)) return 0;
  if (!isEdge(path)) return 1;
  return /(^|[/-])present/.test(path) ? 2 : 3;
}
const subjectOf = (path: string) => path.split('/')[1] ?? '';
/**
 * What the router may use of other folders of ours: the contract of drivers and its checks, and how the answers of models are read, so that
 * the router and the agents read them alike; and two files of data.
 */
const SHARED = [
  'drivers/check',
  'drivers/create',
  'drivers/driver',
  'package.json',
  'backends/shapes.json',
  'backends/shared/calls',
  'backends/shared/finishes',
  'backends/shared/upstream-errors',
];

/** Files that read the environment, and why. */
const ENVIRONMENT_READERS: Record<string, string> = {
  'router/config/config.ts': 'the only reader of the router',
  'drivers/docker/engine.ts': 'DOCKER_HOST, to see whether anybody listens where dockerode would look',
  'drivers/process/index.ts': 'PATH, without which a runner finds no programs',
  'drivers/conformance.ts': 'CI, where a suite that is skipped is one that failed',
  'drivers/conformance/runner.ts': 'a runner, which is configured by its environment',
};
/** Tools of development that import their own package. */
const DEVELOPMENT_FILES = ['router/database/drizzle.config.ts'];
const BACKENDS = ['demo', 'direct', 'openclaw', 'hermes', 'hermes-agent', 'nanobot'];

let sources: readonly Source[] = [];
beforeAll(async () => {
  sources = await readSources(['router', 'drivers', 'views', 'backends']);
});

const inFolder = (...folders: string[]) => sources.filter(({ path }) => folders.some((one) => path.startsWith(one)));
const withoutEnding = (path: string) => path.replace(/(\/index)?\.tsx?$/, '');
const packageOf = (name: string) =>
  name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
const isPackage = ({ isOurs, target }: Import) => !isOurs && !/^(node|bun):|^bun$/.test(target);

/** The broken imports of files that `picks`, each with what to do. */
function broken(
  picks: (path: string) => boolean,
  problem: (path: string, one: Import) => string | undefined,
): string[] {
  return sources
    .filter(({ path }) => picks(path))
    .flatMap(({ path, imports }) =>
      imports
        .filter(({ isOurs }) => isOurs)
        .flatMap((one) => {
          const what = problem(path, one);
          return what === undefined ? [] : [`${path} imports ${one.target}: ${what}`];
        }),
    );
}

const isOfSubject = (path: string) => path.startsWith('router/') && !WIRING.includes(path);

test('rule 1: a subject imports only from those above it in the list', () => {
  expect(sources.length).toBeGreaterThan(80);
  const unknown = sources.filter(({ path }) => isOfSubject(path) && !SUBJECTS.includes(subjectOf(path)));
  expect(
    unknown.map(({ path }) => `${path}: move it to the folder of its subject, or add the subject to SUBJECTS`),
  ).toEqual([]);
  const order = broken(isOfSubject, (path, { target }) => {
    if (!target.startsWith('router/')) {
      const isView = target.startsWith('views/') && (isEdge(path) || subjectOf(path) === 'web');
      return isView || SHARED.includes(target)
        ? undefined
        : 'only edges know views, and of drivers only the contract is known';
    }
    if (SUBJECTS.indexOf(subjectOf(target)) <= SUBJECTS.indexOf(subjectOf(path))) return undefined;
    return 'move what both need down to the lower subject, or have it handed in by context.ts or app.ts';
  });
  expect(order).toEqual([]);
});

test('rule 1: inside a subject, routes know what is presented, that knows the rules, and they the store', () => {
  const wrong = broken(isOfSubject, (path, { target, isType }) => {
    const file = sources.find((one) => withoutEnding(one.path) === target);
    if (isType || !file || subjectOf(target) !== subjectOf(path) || rankOf(file.path) <= rankOf(path)) return undefined;
    // The subject of stores: what opens the database is below them.
    if (subjectOf(path) === 'database') return undefined;
    return `a file of the role "${ROLES[rankOf(file.path)]}" is not for one of the role "${ROLES[rankOf(path)]}"`;
  });
  expect(wrong).toEqual([]);
});

/** What knows requests and answers besides the edges and `web/`: each has one job on the way of a request. */
const HTTP_FILES = [
  'accounts/identify',
  'openai/answer-once',
  'openai/exchange',
  'openai/idempotency',
  'openai/resolve',
  'openai/responses/stored',
  'usage/reports/csv',
];

test('rule 2: only main.ts and app.ts know the whole context', () => {
  const takers = sources.filter(({ imports }) => imports.some(({ target }) => target === 'router/context'));
  expect(takers.map(({ path }) => path)).toEqual(['router/app.ts', 'router/main.ts']);
});

test('rule 2: each subject makes its own parts, and only context.ts calls for them', () => {
  const takers = sources.flatMap(({ path, imports }) =>
    imports.filter(({ target }) => /^router\/\w+\/wire$/.test(target)).map(() => path),
  );
  expect(new Set(takers)).toEqual(new Set(['router/context.ts']));
});

test('rule 3: Elysia is known at the edges only', () => {
  const users = sources.filter(
    ({ path, imports }) => isOfSubject(path) && imports.some(({ target }) => target === 'elysia'),
  );
  const wrong = users.filter(
    ({ path }) =>
      !isEdge(path) &&
      subjectOf(path) !== 'web' &&
      !HTTP_FILES.includes(path.slice('router/'.length).replace(/\.tsx?$/, '')),
  );
  expect(wrong.map(({ path }) => `${path} uses Elysia: move its route to a file routes.ts of its subject`)).toEqual([]);
});

test('rule 3: a store is used inside its subject only, but for its types', () => {
  const wrong = broken(isOfSubject, (path, { target, isType }) => {
    const isForeign = isStore(`${target}.ts`) && target.startsWith('router/') && subjectOf(target) !== subjectOf(path);
    return isForeign && !isType && subjectOf(target) !== 'database' ? "ask the store's own subject" : undefined;
  });
  expect(wrong).toEqual([]);
});

test('rule 5: views know their models, drivers the contract, backends each other, and none of them the router', () => {
  const wrong = broken(
    (path) => !path.startsWith('router/'),
    (path, { target }) => {
      const own = path.split('/')[0] ?? '';
      return target.startsWith(`${own}/`) ? undefined : `nothing outside of ${own}/ is known there`;
    },
  );
  expect(wrong).toEqual([]);
});

test('a driver imports its own folder and the contract, not another driver', () => {
  const broken = inFolder('drivers/').flatMap(({ path, imports }) => {
    const own = `${path.split('/').slice(0, 2).join('/')}/`;
    return imports
      .filter(({ target }) => target.startsWith('drivers/') && target.split('/').length > 2 && !target.startsWith(own))
      .filter(() => path !== 'drivers/conformance.ts')
      .map(({ target }) => `${path} imports ${target}`);
  });
  expect(broken).toEqual([]);
});

test('no file imports itself in a circle', () => {
  const uses = new Map(
    sources.map(({ path, imports }) => [
      withoutEnding(path),
      imports.filter(({ isType }) => !isType).map(({ target }) => withoutEnding(target)),
    ]),
  );
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): string[] => {
    if (way.includes(file)) return [[...way.slice(way.indexOf(file)), file].join(' → ')];
    if (done.has(file)) return [];
    const circles = (uses.get(file) ?? []).flatMap((next) => visit(next, [...way, file]));
    done.add(file);
    return circles;
  };
  expect([...uses.keys()].flatMap((file) => visit(file, []))).toEqual([]);
});

test('rule 4: only stores and database/ know Drizzle and bun:sqlite', () => {
  const users = sources.filter(({ imports }) => imports.some(({ target }) => /^(drizzle-|bun:sqlite)/.test(target)));
  expect(users.length).toBeGreaterThan(5);
  expect(
    users.map(({ path }) => path).filter((path) => !isStore(path) && !path.startsWith('router/database/')),
  ).toEqual([]);
});

test('rule 4: only the listed files read the environment', () => {
  const readers = inFolder('router/', 'drivers/', 'views/').filter(({ code }) =>
    /\b(Bun|process|import\.meta)\.env\b/.test(code),
  );
  expect(readers.map(({ path }) => path).sort()).toEqual(Object.keys(ENVIRONMENT_READERS).sort());
});

test('nothing is printed but through the loggers', () => {
  const printers = inFolder('router/', 'drivers/', 'views/').filter(({ code }) => /\bconsole\b/.test(code));
  expect(printers.map(({ path }) => path)).toEqual([]);
});

test('law 22: one file makes all outgoing requests, and asks another for those without TLS', () => {
  const callers = inFolder('router/').filter(({ code }) =>
    /(?<![.\w])fetch\(|\bnew WebSocket\b|\.request\(|\bBun\.connect\b/.test(code),
  );
  expect(callers.map(({ path }) => path)).toEqual(['router/net/http1/connection.ts', 'router/net/outgoing.ts']);
  const askers = inFolder('router/').filter(({ imports }) =>
    imports.some(({ target }) => target === 'router/net/http1/send'),
  );
  expect(askers.map(({ path }) => path)).toEqual(['router/net/outgoing.ts']);
});

test('markup that is not JSX comes from the Markdown renderer only', () => {
  const broken = inFolder('views/', 'router/').flatMap(({ path, text, code }) => {
    const uses = [...text.matchAll(/dangerouslySetInnerHTML=\{([^(}]*)/g)].map(([, from]) => from);
    const isFed = uses.every((from) => from === 'markup');
    const makes = /__html/.test(code) && path !== 'views/kit/markdown.tsx';
    // What a view takes as it is has a type of its own, which only the renderer gives to a text.
    const names = /\bas Html\b/.test(code) && path !== 'views/markdown.ts';
    return isFed && !makes && !names ? [] : [path];
  });
  expect(broken).toEqual([]);
});

test('law 13: no backend is named in code', () => {
  const named = new RegExp(`(['"\`/])(${BACKENDS.join('|')})(['"\`/])`, 'i');
  const broken = inFolder('router/', 'drivers/', 'views/').filter(({ code }) => named.test(code));
  expect(broken.map(({ path }) => path)).toEqual([]);
});

test('packages that run are dependencies, and every dependency runs', () => {
  const running = sources.filter(({ path }) => !DEVELOPMENT_FILES.includes(path));
  const dependencies = Object.keys(pkg.dependencies);
  const missing = running.flatMap(({ path, imports }) =>
    imports
      .filter((one) => isPackage(one) && !dependencies.includes(packageOf(one.target)))
      .map(({ target }) => `${path}: ${target}`),
  );
  expect(missing).toEqual([]);
  const used = new Set(
    running.flatMap(({ imports }) => imports.filter(isPackage).map(({ target }) => packageOf(target))),
  );
  const served = (name: string) => running.some(({ code }) => code.includes(`node_modules/${name}/`));
  expect(dependencies.filter((name) => !used.has(name) && !served(name))).toEqual([]);
});

test('every transaction begins with the lock of a writer: through the helper of database/', () => {
  const bare = inFolder('router/').filter(
    // The other one locks the data against a second router.
    ({ path, code }) =>
      !/^router\/database\/(transaction|database)\.ts$/.test(path) && /\.transaction\(|\bBEGIN\b/.test(code),
  );
  expect(
    bare.map(({ path }) => `${path}: write it as transaction(db, (tx) => …), imported from database/transaction.ts`),
  ).toEqual([]);
});
