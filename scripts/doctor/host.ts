/** The checks of `bun run doctor` on the router's own machine. */
import { existsSync } from 'node:fs';
import { access, constants, mkdir, mkdtemp, rmdir, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { checkHomes, homeOwners } from '../../router/agents/home-check';
import { type Backend, BackendRegistry, BackendsError } from '../../router/backends/backends';
import type { Config } from '../../router/config/config';
import { repositoryRoot } from '../../router/config/root';
import { type Check, type Finding, note, ok, problem } from './finding';

/** Enough for a growing database and the homes of a few agents. Images need more, on the disk of the engine. */
const DISK_BYTES = 1_073_741_824;
const ANSWER_MS = 2_000;
const LOOPBACK = /^(127\.|::1$|localhost$)/;

export const hostChecks: readonly Check<Config>[] = [
  { name: 'data folder', run: dataFolder },
  { name: 'disk', run: disk },
  { name: 'homes', run: homes },
  { name: 'clock', run: clock },
  { name: 'public port', run: publicPort },
  { name: 'internal port', run: internalPort },
  { name: 'exposure', run: exposure },
  { name: 'backends', run: backends },
];

async function dataFolder({ dataRoot }: Config): Promise<readonly Finding[]> {
  try {
    await mkdir(dataRoot, { recursive: true, mode: 0o700 });
    await access(dataRoot, constants.R_OK);
    await rmdir(await mkdtemp(join(dataRoot, 'doctor-')));
    return ok(dataRoot);
  } catch (error) {
    const owner = `${process.getuid?.() ?? '$(id -u)'}:${process.getgid?.() ?? '$(id -g)'}`;
    return problem(`${dataRoot} cannot be written to: ${String(error)}`, `sudo chown -R ${owner} ${dataRoot}`);
  }
}

async function disk({ dataRoot }: Config): Promise<readonly Finding[]> {
  const { bavail, bsize } = await statfs(await nearest(dataRoot));
  const free = `${((bavail * bsize) / DISK_BYTES).toFixed(1)} GiB free`;
  return bavail * bsize >= DISK_BYTES ? ok(free) : problem(`${free} at ${dataRoot}`, `df -h ${dataRoot}`);
}

/** Creates a home as a start does, also for the users of the enabled backends. */
async function homes({ homesRoot, backendsPath }: Config): Promise<readonly Finding[]> {
  const isThere = existsSync(homesRoot);
  const fault = await checkHomes(homesRoot, homeOwners(enabledIn(backendsPath)));
  if (!isThere) await rmdir(homesRoot).catch(() => undefined);
  return fault ? problem(`homes cannot be made ready: ${fault.message}`, fault.hint) : ok(homesRoot);
}

/** Returns none if the file is invalid; another check reports that. */
function enabledIn(backendsPath: string): readonly Backend[] {
  try {
    using registry = BackendRegistry.load(backendsPath);
    return registry.all();
  } catch {
    return [];
  }
}

/** Reports a clock that is behind the modification time of a file. */
async function clock({ databasePath }: Config): Promise<readonly Finding[]> {
  const files = [databasePath, join(repositoryRoot, 'package.json')];
  const times = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  const aheadMs = Math.max(...times) - Date.now();
  const now = new Date().toISOString();
  if (aheadMs < 60_000) return ok(now);
  return problem(`it is ${now} here, and the router's files are from later than that`, 'sudo timedatectl set-ntp true');
}

function publicPort({ public: { host, port } }: Config) {
  return freeOrOurs('FRONTEND_PORT', host, port);
}

function internalPort({ internal: { host = '127.0.0.1', port } }: Config) {
  return freeOrOurs('ROUTER_PORT', host, port);
}

async function freeOrOurs(variable: string, host: string, port: number): Promise<readonly Finding[]> {
  const place = `${host}:${port}`;
  const reason = await whyNotListen(host, port);
  if (reason === undefined) return ok(`${place} is free`);
  if (reason !== 'EADDRINUSE') return problem(`nobody can listen at ${place}: ${reason}`, 'ip address');
  const address = host.includes(':') ? `[${host}]` : host;
  const answer = await fetch(`http://${address}:${port}/healthz`, { signal: AbortSignal.timeout(ANSWER_MS) })
    .then((response) => response.json())
    .catch(() => undefined);
  if (Array.isArray(Object(answer).backends)) return ok(`a router answers at ${place}`);
  const remedy = `ss -ltnp 'sport = :${port}'   or set another ${variable} in .env`;
  return problem(`another program has ${place}`, remedy);
}

/** Returns the error code; undefined if the port can be listened on. */
export function whyNotListen(host: string, port: number): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const server = createServer();
  server.once('error', (error) => resolve('code' in error ? String(error.code) : error.message));
  server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  return promise;
}

function exposure(config: Config): readonly Finding[] {
  const { public: open, internal, session } = config;
  if (internal.host !== undefined && !LOOPBACK.test(internal.host)) {
    return problem(
      `ROUTER_BIND_HOST=${internal.host} shows the internal listener to more than runners`,
      'take ROUTER_BIND_HOST out of .env: the drivers say where runners need it',
    );
  }
  if (LOOPBACK.test(open.host)) return ok('only this machine reaches the router');
  if (session.cookieSecure) return ok(`${open.host}, over HTTPS`);
  const remedy = 'put a TLS proxy in front, and set ROUTER_PUBLIC_BASE_URL and COOKIE_SECURE=true in .env';
  return note(`the public listener is at ${open.host}: passwords cross the network unencrypted`, remedy);
}

function backends({ backendsPath }: Config): readonly Finding[] {
  try {
    using registry = BackendRegistry.load(backendsPath);
    return ok(
      registry
        .all()
        .map(({ name, disabled }) => (disabled ? `${name} (disabled)` : name))
        .join(', '),
    );
  } catch (error) {
    if (!(error instanceof BackendsError)) throw error;
    return error.problems.flatMap((text) => problem(text, `edit ${backendsPath}, as backends/README.md says`));
  }
}

/** Returns the folder itself, or its nearest parent that exists. */
async function nearest(folder: string): Promise<string> {
  const isThere = await access(folder).then(
    () => true,
    () => false,
  );
  return isThere || dirname(folder) === folder ? folder : nearest(dirname(folder));
}
