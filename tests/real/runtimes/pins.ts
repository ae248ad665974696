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

export interface Pins {
  /** Of the package that is tested. */
  readonly version: string;
  /** Of the image in `backends.json`. */
  readonly tag: string;
}

export function pinsOf(backend: string): Pins {
  const tag = pinnedTag(backend);
  const folder = FOLDERS[backend];
  return { version: folder === undefined ? tag : packageVersion(folder), tag };
}

/** For people: the version of the package, and the tag of the authors' image where it is called otherwise. */
export function versionsOf(backend: string): string {
  const { version, tag } = pinsOf(backend);
  return version === tag ? version : `${version}, image \`${tag}\``;
}

/**
 * Writes a version into every file that names the old one. A tag that is no version of the package is given after a `+`:
 * `hermes-agent=0.20.0+v2026.8.16`. Returns what takes it back.
 */
export async function raisePin(backend: string, pin: string): Promise<() => Promise<void>> {
  const [version = '', tag = version] = pin.split('+');
  const old = pinsOf(backend);
  const [name] = imageOf(backend).image.split('/').at(-1)?.split(':') ?? [];
  // Its folder in `images/`, and its twin.
  const own = FOLDERS[backend] ?? backend;
  const replaced: Readonly<Record<string, (text: string) => string>> = {
    [`images/${own}/Dockerfile`]: (text) => text.replaceAll(`_VERSION=${old.version}`, `_VERSION=${version}`),
    [`tests/support/runtimes/${own}.ts`]: (text) => text.replaceAll(old.version, version),
    ...{ 'backends.json': String, 'images/README.md': String, 'docs/administrators.md': String },
  };
  const before = new Map<string, string>();
  for (const [file, replace] of Object.entries(replaced)) {
    const path = join(ROOT, file);
    const text = await readFile(path, 'utf8');
    before.set(path, text);
    // Also of `agent-stack/openclaw`, which is made from the image of the same tag.
    await writeFile(path, replace(text).replaceAll(`/${name}:${old.tag}`, `/${name}:${tag}`));
  }
  return async () => {
    for (const [path, text] of before) await writeFile(path, text);
  };
}
