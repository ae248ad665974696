/**
 * Homes of agents: durable directories on the router's machine, one per agent, filled from a seed.
 *
 * What is in a home belongs to its agent and may be hostile: the agent can put links, pipes and devices where the
 * router is about to write. Law 7: the router never follows a link inside a home, and never reads one either: it only
 * puts files of its own into place (`folders.ts`).
 */
import { constants } from 'node:fs';
import { mkdir, open, readdir, realpath, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Folder, hasCode, type Owner, UnsafePathError } from './safe-folder';
import { renderTemplate, TemplateError, type Variables } from './seed-templates';

export { TemplateError, UnsafePathError };

/** A seed that cannot be used. The message names the path within it. */
export class SeedError extends Error {
  override readonly name = 'SeedError';
}

export interface PrepareHomeOptions {
  /** Absolute; made (0700) when it is not there. Nobody but the router writes to it. */
  readonly homesRoot: string;
  readonly agentId: string;
  /** The template tree; undefined for a backend without one. */
  readonly seedDir?: string;
  /** Paths within the seed of the files that are rendered again at every start. */
  readonly templatedFiles: readonly string[];
  /** All that a template may name. */
  readonly variables: Variables;
  /** Owner of what the router writes; absent: the router's own user. `gid` is `uid` when absent. */
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Makes the agent's home ready for a start and returns its absolute path. Folders are 0700, files 0600 (0700 where the
 * seed's is executable). A file of the seed is copied as it is when nothing of its name is in the home, and left alone
 * otherwise; templated files are rendered and put into place every time. Starts of one agent must be serial.
 *
 * Throws `TemplateError` and `SeedError` before anything is written, and `UnsafePathError` when a link or the wrong
 * kind of file stands where a templated file has to go.
 */
export async function prepareHome(options: PrepareHomeOptions): Promise<{ path: string }> {
  const path = homePath(options.homesRoot, options.agentId);
  const seed = options.seedDir === undefined ? [] : await readSeed(options.seedDir, '');
  const rendered = await renderAll(seed, options);
  const owner = options.uid === undefined ? undefined : { uid: options.uid, gid: options.gid ?? options.uid };
  await mkdir(options.homesRoot, { recursive: true, mode: 0o700 });
  // The root may be reached through a link of the operator's; below it there is none.
  await using root = await Folder.open(await realpath(options.homesRoot));
  await using home = await root.enter(options.agentId, owner);
  await fill(home, seed, { rendered, owner });
  return { path };
}

/**
 * Moves the home of a deleted agent to `<homesRoot>/.trash/<agentId>-<UTC time>`, from where it never comes back.
 * Returns the new path, or undefined when there is no home.
 */
export async function quarantineHome(options: {
  readonly homesRoot: string;
  readonly agentId: string;
}): Promise<{ path: string } | undefined> {
  const home = homePath(options.homesRoot, options.agentId);
  const trash = join(options.homesRoot, '.trash');
  const path = join(trash, `${options.agentId}-${new Date().toISOString().replace(/[-:.]/g, '')}`);
  try {
    await mkdir(trash, { recursive: true, mode: 0o700 });
    await rename(home, path);
    return { path };
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Ids come from `ids.ts`; this is the wall behind it. No dot, so that `.trash` is nobody's home. */
export function homePath(homesRoot: string, agentId: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(agentId)) throw new TypeError('An agent id must be a plain name.');
  return join(homesRoot, agentId);
}

/** A name in the seed: a folder has entries. `path` is within the seed, `from` where it is on the disk. */
interface SeedEntry {
  readonly name: string;
  readonly path: string;
  readonly from: string;
  readonly entries: readonly SeedEntry[] | undefined;
}

async function readSeed(folder: string, within: string): Promise<SeedEntry[]> {
  const found = await readdir(folder, { withFileTypes: true }).catch((cause) => {
    throw new SeedError(`The seed folder ${folder} cannot be read.`, { cause });
  });
  const reading = found.map(async (entry): Promise<SeedEntry> => {
    const { name } = entry;
    const path = within === '' ? name : `${within}/${name}`;
    if (!entry.isDirectory() && !entry.isFile()) {
      throw new SeedError(`${path} in the seed is neither a file nor a folder. Links are not copied into a home.`);
    }
    const from = join(folder, name);
    return { name, path, from, entries: entry.isDirectory() ? await readSeed(from, path) : undefined };
  });
  return Promise.all(reading);
}

/** Renders before the home is touched, so that a broken seed leaves it as it was. Keyed by path within the seed. */
async function renderAll(
  seed: readonly SeedEntry[],
  { templatedFiles, variables }: PrepareHomeOptions,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map(flatten(seed).map((entry) => [entry.path, entry.from]));
  const rendered = new Map<string, Uint8Array>();
  for (const path of templatedFiles) {
    const from = files.get(path);
    if (from === undefined) throw new SeedError(`The templated file ${path} is not in the seed.`);
    const { bytes } = await readSeedFile(from);
    rendered.set(path, new TextEncoder().encode(renderTemplate(path, decode(bytes, path), variables)));
  }
  return rendered;
}

function flatten(entries: readonly SeedEntry[]): SeedEntry[] {
  return entries.flatMap((entry) => (entry.entries ? flatten(entry.entries) : [entry]));
}

function decode(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SeedError(`The templated file ${path} is not UTF-8.`, { cause });
  }
}

async function readSeedFile(from: string): Promise<{ bytes: Uint8Array; isExecutable: boolean }> {
  await using file = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW);
  const { mode } = await file.stat();
  return { bytes: await file.readFile(), isExecutable: (mode & 0o100) !== 0 };
}

interface Filling {
  readonly rendered: ReadonlyMap<string, Uint8Array>;
  readonly owner: Owner | undefined;
}

async function fill(folder: Folder, entries: readonly SeedEntry[], filling: Filling): Promise<void> {
  for (const entry of entries) {
    if (entry.entries) await fillFolder(folder, entry, entry.entries, filling);
    else await fillFile(folder, entry, filling);
  }
}

async function fillFolder(
  parent: Folder,
  entry: SeedEntry,
  entries: readonly SeedEntry[],
  filling: Filling,
): Promise<void> {
  try {
    await using folder = await parent.enter(entry.name, filling.owner);
    await fill(folder, entries, filling);
  } catch (error) {
    // An agent may replace a seeded folder by what it likes, unless something has to be rendered in there.
    const isNeeded = [...filling.rendered.keys()].some((path) => path.startsWith(`${entry.path}/`));
    if (!(error instanceof UnsafePathError) || isNeeded) throw error;
  }
}

async function fillFile(folder: Folder, entry: SeedEntry, { rendered, owner }: Filling): Promise<void> {
  const text = rendered.get(entry.path);
  if (!text && (await folder.has(entry.name))) return;
  const { bytes, isExecutable } = await readSeedFile(entry.from);
  await folder.write(entry.name, text ?? bytes, { owner, isExecutable });
}
