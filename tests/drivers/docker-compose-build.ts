/** The image of the `Dockerfile`, built without a registry: its base holds Bun and, in Bun's cache, the packages. */
import { expect } from 'bun:test';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type Docker from 'dockerode';
import { docker } from '../support/engine';
import { testImage } from '../support/image';

const ROOT = join(import.meta.dir, '../..');
/** What decides the packages. */
const MANIFESTS = ['package.json', 'bun.lock', 'bunfig.toml'];
const KEPT = 'agent-stack-compose-test';
const read = (file: string) => readFile(join(ROOT, file), 'utf8');

/**
 * Its thousands of small files take a while, so what is made of the packages is kept on the engine until they change.
 * @param directory an empty one, for what is sent to the engine.
 */
export async function buildRouterImage(image: string, directory: string): Promise<void> {
  const from = await testImage();
  const files = await Promise.all([...MANIFESTS, 'Dockerfile'].map(read));
  const content = new Bun.CryptoHasher('sha256')
    .update([from, ...files].join('\n'))
    .digest('hex')
    .slice(0, 12);
  const [base, packages] = [`${KEPT}:base-${content}`, `${KEPT}:packages-${content}`];
  if (!(await isThere(base))) {
    await forget();
    await buildBase(base, from, directory);
  }
  const context = join(directory, 'router/root');
  // What `docker build` would send: the lines of `.dockerignore` that let something in are the whole list.
  const allowed = [...(await read('.dockerignore')).matchAll(/^!(.+)$/gm)].map(([, path = '']) => path);
  for (const path of ['Dockerfile', ...allowed]) await cp(join(ROOT, path), join(context, path), { recursive: true });
  const buildargs = { BASE: base };
  // By itself this stage would be left behind without a name.
  await build(packages, context, { buildargs, target: 'packages' });
  await build(image, context, { buildargs });
}

async function buildBase(base: string, from: string, directory: string): Promise<void> {
  const [clone, context] = [join(directory, 'packages'), join(directory, 'base/root')];
  await mkdir(clone);
  for (const file of MANIFESTS) await cp(join(ROOT, file), join(clone, file));
  await Bun.$`${process.execPath} install --frozen-lockfile --production --ignore-scripts`.cwd(clone).quiet();
  const cache = (await Bun.$`${process.execPath} pm cache`.cwd(ROOT).text()).trim();
  const manifests = new Bun.Glob('node_modules/**/package.json').scan({ cwd: clone, dot: true });
  for await (const file of manifests) {
    const { name, version } = JSON.parse(await readFile(join(clone, file), 'utf8'));
    if (!dirname(file).endsWith(`node_modules/${name}`)) continue;
    const entry = `${name}@${version}@@@1`;
    await cp(join(cache, entry), join(context, 'cache', entry), { recursive: true });
  }
  await writeFile(join(context, 'Dockerfile'), `FROM ${from}\nENV BUN_INSTALL_CACHE_DIR=/cache\nCOPY cache /cache\n`);
  await build(base, context);
}

async function build(tag: string, folder: string, options: Docker.ImageBuildOptions = {}): Promise<void> {
  const tar = join(folder, '../context.tar');
  await Bun.$`tar --owner=0 --group=0 -C ${folder} -cf ${tar} .`.quiet();
  const stream = await docker.buildImage(tar, { t: tag, networkmode: 'none', forcerm: true, ...options });
  const lines = (await new Response(stream as unknown as ReadableStream).text()).trim().split('\n');
  const problems = lines.map((line) => JSON.parse(line)).filter((line) => 'error' in line);
  expect(problems).toEqual([]);
}

async function isThere(image: string): Promise<boolean> {
  return docker
    .getImage(image)
    .inspect()
    .then(
      () => true,
      () => false,
    );
}

/** What was made of other packages. */
async function forget(): Promise<void> {
  const images = await docker.listImages({ filters: { reference: [KEPT] } });
  for (const tag of images.flatMap(({ RepoTags }) => RepoTags ?? [])) {
    // One that another run is using stays.
    await docker
      .getImage(tag)
      .remove()
      .catch(() => undefined);
  }
}
