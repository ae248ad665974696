/** The versions of the runtimes that this repository runs: the tags of `backends.json` and the packages they contain. */
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const ROOT = join(import.meta.dir, '../../..');
/** The folder `images` of this repository. */
export const imagesFolder = join(ROOT, 'images');

/** The folders in `images/` of the runtimes that are packages of PyPI. The others are packages of npm. */
const FOLDERS: Readonly<Record<string, string>> = { 'hermes-agent': 'hermes', nanobot: 'nanobot' };
const VERSION_LINE = /^ARG \w+_VERSION=(\S+)$/m;

/** The image of an entry of `backends.json`, with its tag. */
function imageOf(backend: string): { readonly image: string; readonly tag: string } {
  const entries = JSON.parse(readFileSync(join(ROOT, 'backends.json'), 'utf8')) as { name: string; image?: string }[];
  const image = entries.find(({ name }) => name === backend)?.image ?? '';
  const tag = image.split(':')[1];
  if (tag === undefined) throw new Error(`backends.json gives ${backend} no image with a tag`);
  return { image, tag };
}

export function pinnedTag(backend: string): string {
  return imageOf(backend).tag;
}

/** The version of the package in `images/<folder>/Dockerfile`. */
export function packageVersion(folder: string): string {
  const version = VERSION_LINE.exec(readFileSync(join(imagesFolder, folder, 'Dockerfile'), 'utf8'))?.[1];
  if (version === undefined) throw new Error(`images/${folder}/Dockerfile names no version`);
  return version;
}

/** For people: the version of the package, and the tag of the authors' image where it is called otherwise. */
export function versionsOf(backend: string): string {
  const tag = pinnedTag(backend);
  const folder = FOLDERS[backend];
  const version = folder === undefined ? tag : packageVersion(folder);
  return version === tag ? version : `${version}, image \`${tag}\``;
}

/**
 * Writes a version into every file that names the old one. A tag that is no version of the package is given after a `+`:
 * `hermes-agent=0.20.0+v2026.8.16`. Returns what takes it back.
 */
export async function raisePin(backend: string, pin: string): Promise<() => Promise<void>> {
  const [version = '', tag = version] = pin.split('+');
  const folder = FOLDERS[backend];
  const old = imageOf(backend);
  const replaced = [[old.image, old.image.replace(old.tag, tag)]];
  if (folder !== undefined) replaced.push([`_VERSION=${packageVersion(folder)}`, `_VERSION=${version}`]);
  const files = [
    'backends.json',
    'images/README.md',
    'docs/administrators.md',
    ...(folder === undefined ? [] : [`images/${folder}/Dockerfile`]),
  ];
  const before = new Map<string, string>();
  for (const file of files) {
    const path = join(ROOT, file);
    const text = await readFile(path, 'utf8');
    before.set(path, text);
    await writeFile(
      path,
      replaced.reduce((done, [from = '', to = '']) => done.replaceAll(from, to), text),
    );
  }
  return async () => {
    for (const [path, text] of before) await writeFile(path, text);
  };
}
