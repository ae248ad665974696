/**
 * The layers, as rules over what files import: calls only go down, route → service → store or driver. What a file may
 * use is listed here and nowhere else; a new file finds its place by its folder, a new service by its place in `SERVICES`.
 */
import { beforeAll, expect, test } from 'bun:test';
import pkg from '../package.json';
import { type Import, readSources, type Source } from './support/sources';

/** Services from the bottom to the top: each may use those before it. */
const SERVICES = [
  ...['metrics-numbers', 'metrics-text', 'metrics'],
  ...['events', 'recent', 'json-fault', 'folders', 'templates', 'homes'],
  ...[
    'encryption',
    'upstream-address',
    'credentials-tiers',
    'credentials-values',
    'credentials-cache',
    'credentials-trial',
    'credentials',
  ],
  ...['accounts', 'keys', 'agents', 'conversations'],
  ...['chat-request', 'standing'],
  ...['tokens', 'prices', 'budgets', 'rate-limits', 'metering', 'usage'],
  ...['responses-history', 'responses-request', 'responses-shape', 'responses-answer'],
  ...['upstream-body', 'upstream-stream', 'upstream-usage', 'upstream-call'],
  ...[
    'runner-clock',
    'runner-slot',
    'fair-queue',
    'capacity',
    'runner-failure',
    'platforms',
    'readiness',
    'images',
    'runner-words',
    'runner-remains',
    'runner-spec',
    'stale',
    'addresses',
  ],
  ...[
    'runner-start',
    'runner-transitions',
    'runner-health',
    'runner-end',
    'runners',
    'runner-call',
    'reaper',
    'adoption',
    'watches',
    'answer-calls',
    'answer',
    'generations',
  ],
];

/** Folder, or file of the router's own folder, to what it may import. `type:` stands for imports of types only. */
const FOUNDATION = ['router/crowd', 'router/errors', 'router/ids', 'router/log', 'router/vault'];
const RULES: readonly (readonly [layer: string, ...allowed: string[]])[] = [
  [
    'router/routes/',
    ...['router/routes/', 'router/http/', 'router/services/', 'type:router/stores/', 'type:router/context'],
    ...['type:router/backends', ...FOUNDATION, 'views/'],
  ],
  ['router/http/body'],
  ['router/http/wire-reader'],
  ['router/http/wire-request'],
  ['router/http/wire-body', 'router/http/body'],
  [
    'router/http/wire',
    ...['router/http/body', 'router/http/heartbeat'],
    ...['router/http/wire-body', 'router/http/wire-reader', 'router/http/wire-request'],
  ],
  ['router/http/outgoing', 'router/http/body', 'router/http/wire', 'type:router/http/wire-request'],
  ['router/http/event-tail'],
  ['router/http/heartbeat', 'router/crowd'],
  ['router/http/silence', 'router/http/heartbeat', 'router/errors'],
  [
    'router/http/relay',
    'router/http/heartbeat',
    'type:router/http/silence',
    'type:router/http/body',
    'router/http/event-tail',
    'router/errors',
    'router/log',
  ],
  // One exchange of `/v1` from end to end: as much a route as it is transport.
  [
    'router/http/exchange',
    ...['router/http/', 'router/services/', 'type:router/stores/', 'type:router/context', ...FOUNDATION],
  ],
  ['router/http/', 'router/http/', 'router/services/', 'type:router/stores/', ...FOUNDATION, 'views/'],
  [
    'router/services/',
    ...[
      'router/services/',
      'router/http/relay',
      'router/http/silence',
      'router/http/body',
      'router/http/outgoing',
      'router/stores/',
      'type:router/backends',
      'type:router/drivers',
    ],
    ...['router/backends', 'drivers/driver', 'package.json', ...FOUNDATION],
  ],
  ['router/stores/', 'router/stores/', 'router/ids'],
  ['router/backends-schema', 'type:drivers/driver'],
  ['router/backends', 'router/backends-schema', 'type:drivers/driver'],
  [
    'router/drivers',
    'router/backends-schema',
    'type:router/backends',
    'router/driver-files',
    'router/errors',
    'router/setting-kinds',
    'type:drivers/driver',
  ],
  ['router/setting-kinds', 'type:drivers/driver'],
  ['router/settings', 'router/setting-kinds'],
  ['router/config', 'router/settings', 'type:drivers/driver'],
  ['router/setup', 'router/config'],
  ['router/build'],
  ['router/driver-files'],
  ...FOUNDATION.map((file): [string] => [file]),
  ['router/listener'],
  ['router/clock', 'router/log'],
  ['router/app', 'router/', 'drivers/driver'],
  ['router/context', 'router/', 'drivers/driver'],
  ['router/main', 'router/', 'drivers/driver'],
  ['drivers/', 'drivers/'],
  ['views/', 'views/'],
  ['backends/', 'backends/'],
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

function isAllowed({ target, isType }: Import, allowed: readonly string[]): boolean {
  return allowed.some((entry) => {
    const place = entry.replace(/^type:/, '');
    const isThere = place.endsWith('/') ? `${target}/`.startsWith(place) : target === place;
    return isThere && (isType || !entry.startsWith('type:'));
  });
}

test('every file imports only what its layer may', () => {
  expect(sources.length).toBeGreaterThan(80);
  const broken = sources.flatMap(({ path, imports }) => {
    const [, ...allowed] = RULES.find(([layer]) =>
      layer.endsWith('/') ? path.startsWith(layer) : withoutEnding(path) === layer,
    ) ?? [''];
    const wrong = imports.filter((one) => one.isOurs && !isAllowed(one, allowed));
    return wrong.map(({ target, isType }) => `${path} may not import ${target}${isType ? '' : ' (a value)'}`);
  });
  expect(broken).toEqual([]);
});

test('every service has its place in the list, and uses only services before it', () => {
  const services = inFolder('router/services/').map(({ path, imports }) => ({ name: nameOf(path), imports }));
  expect(services.map(({ name }) => name).sort()).toEqual([...SERVICES].sort());
  const broken = services.flatMap(({ name, imports }) =>
    imports
      .filter(({ target }) => target.startsWith('router/services/'))
      .map(({ target }) => nameOf(target))
      .filter((used) => SERVICES.indexOf(used) >= SERVICES.indexOf(name))
      .map((used) => `router/services/${name}.ts uses ${used}, which is above it`),
  );
  expect(broken).toEqual([]);
});

const nameOf = (path: string) => withoutEnding(path.slice('router/services/'.length));

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

test('no file of the router imports itself in a circle', () => {
  const uses = new Map(
    inFolder('router/').map(({ path, imports }) => [
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

test('only stores know Drizzle and bun:sqlite', () => {
  const users = sources.filter(({ imports }) => imports.some(({ target }) => /^(drizzle-|bun:sqlite)/.test(target)));
  expect(users.length).toBeGreaterThan(5);
  expect(users.map(({ path }) => path).filter((path) => !path.startsWith('router/stores/'))).toEqual([]);
});

test('only the listed files read the environment', () => {
  const readers = inFolder('router/', 'drivers/', 'views/').filter(({ code }) =>
    /\b(Bun|process|import\.meta)\.env\b/.test(code),
  );
  expect(readers.map(({ path }) => path).sort()).toEqual(Object.keys(ENVIRONMENT_READERS).sort());
});

test('nothing is printed but through the loggers', () => {
  const printers = inFolder('router/', 'drivers/', 'views/').filter(({ code }) => /\bconsole\b/.test(code));
  expect(printers.map(({ path }) => path)).toEqual([]);
});

test('what knows requests asks services, never a store', () => {
  const asking = sources.filter(({ path }) => /^router\/(routes|http)\//.test(path));
  expect(asking.filter(({ code }) => /\bstores\b/.test(code)).map(({ path }) => path)).toEqual([]);
});

test('law 22: one file makes all outgoing requests, and asks another for those without TLS', () => {
  const callers = inFolder('router/').filter(({ code }) =>
    /(?<![.\w])fetch\(|\bnew WebSocket\b|\.request\(|\bBun\.connect\b/.test(code),
  );
  expect(callers.map(({ path }) => path)).toEqual(['router/net/outgoing.ts', 'router/net/http1/connection.ts']);
  const askers = inFolder('router/').filter(({ imports }) =>
    imports.some(({ target }) => target === 'router/http/wire'),
  );
  expect(askers.map(({ path }) => path)).toEqual(['router/net/outgoing.ts']);
});

test('markup that is not JSX comes from the Markdown renderer only', () => {
  const broken = inFolder('views/', 'router/').flatMap(({ path, text, code }) => {
    const uses = [...text.matchAll(/dangerouslySetInnerHTML=\{([^(}]*)/g)].map(([, from]) => from);
    const isFed =
      uses.every((from) => from === 'markdown') && (uses.length === 0 || /const markdown = useMarkdown\(\)/.test(text));
    const makes = /__html/.test(code) && path !== 'views/kit/markdown.tsx';
    return isFed && !makes ? [] : [path];
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
