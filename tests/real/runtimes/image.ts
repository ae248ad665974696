/**
 * Images of the real runtimes, made on this machine from Debian packages, npm and PyPI, without an image registry. Their
 * parts are kept in `~/.cache/agent-stack` and the images on the engine, each under what it was made of.
 */
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { docker, requireEngine } from '../../support/engine';

/** How the image of a runtime is made. */
export interface Recipe {
  /** Such as `OpenClaw`. */
  readonly title: string;
  /** Names the content: another recipe has another name. */
  readonly image: string;
  make(): Promise<void>;
}

const DEBOOTSTRAP = '/usr/sbin/debootstrap';
const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'agent-stack');

/** The release of this machine's Debian, which an image has unless it needs another one. */
export const suite =
  /^VERSION_CODENAME=(\S+)$/m.exec(existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '')?.[1] ??
  'none';

/**
 * The image's name, when it is on the engine. It takes minutes to make, so no test does: where it is not, prints how and
 * returns undefined, and throws in CI (`CI=true`).
 */
export async function requireImage({ title, image }: Recipe, tests: string): Promise<string | undefined> {
  if (!(await requireEngine(tests))) return undefined;
  if (await isOnEngine(image)) return image;
  const reason = `the image of ${title} is not on the engine: \`bun run test:runtimes\` makes it`;
  if (process.env.CI === 'true') throw new Error(`${tests} must run in CI: ${reason}`);
  process.stderr.write(`${tests} (skipped: ${reason})\n`);
  return undefined;
}

/** Makes the image if it is not on the engine, in one or two minutes. Returns its name. */
export async function ensureImage({ title, image, make }: Recipe): Promise<string> {
  if (await isOnEngine(image)) return image;
  const reason = obstacle();
  if (reason !== undefined) throw new Error(`The image of ${title} ${reason}.`);
  await make();
  await docker.getImage(image).inspect();
  return image;
}

function obstacle(): string | undefined {
  if (suite === 'none' || process.arch !== 'x64') return 'is made on Debian x64 only';
  if (process.getuid?.() !== 0) return 'is made by root only, as debootstrap requires it';
  if (!existsSync(DEBOOTSTRAP)) return 'needs debootstrap (apt-get install debootstrap)';
  return undefined;
}

export function isOnEngine(image: string): Promise<boolean> {
  return docker
    .getImage(image)
    .inspect()
    .then(
      () => true,
      () => false,
    );
}

/** A folder of the cache. While it is made it has another name, so what has the name is whole. */
export async function part(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(cache, name);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const unfinished = await mkdtemp(`${folder}.making-`);
  try {
    await make(unfinished);
    await rename(unfinished, folder);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return folder;
}

/** Writes the smallest Debian of a release with `packages` to `system.tar`, after `change` has finished its root folder. */
export async function makeSystem(
  folder: string,
  release: string,
  packages: readonly string[],
  change: (root: string) => Promise<void>,
): Promise<void> {
  const root = join(folder, 'root');
  await run([DEBOOTSTRAP, '--variant=minbase', `--include=${packages.join(',')}`, release, root]);
  await change(root);
  const unneeded = ['dev/*', 'var/cache/*', 'var/lib/apt/lists/*'];
  const documents = ['usr/share/doc/*', 'usr/share/man/*', 'usr/share/locale/*'];
  const excludes = [...unneeded, ...documents].map((glob) => `--exclude=./${glob}`);
  await run(['tar', '--numeric-owner', ...excludes, '-cf', join(folder, 'system.tar'), '-C', root, '.']);
  await rm(root, { recursive: true });
}

/** Lets programs in the image trust the servers that this machine trusts, such as the proxy of a company. */
export async function shareCertificates(root: string): Promise<void> {
  const bundle = '/etc/ssl/certs/ca-certificates.crt';
  if (existsSync(bundle)) await copyFile(bundle, join(root, bundle));
}

/** Imports a tar as an image. `changes` are lines of a Dockerfile. */
export async function importImage(image: string, tar: string, changes: readonly string[]): Promise<void> {
  const [repo, tag] = image.split(':');
  for await (const _ of await docker.importImage(tar, { repo, tag, changes: [...changes] })) {
    // Only its end matters.
  }
}

/** Throws with the end of the output when the command fails. */
export async function run(command: readonly string[], cwd?: string, env: Record<string, string> = {}): Promise<void> {
  const child = Bun.spawn([...command], {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...env },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const output = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(`${command.join(' ')} failed:\n${output.join('').slice(-2000)}`);
}
