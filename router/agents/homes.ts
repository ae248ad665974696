/**
 * Homes of agents: durable directories on the router's machine, one per agent, filled from a seed.
 *
 * The content of a home belongs to its agent and may be hostile: the agent can put links, pipes and devices at a path to
 * which the router is about to write. Law 7: the router never follows a link inside a home (`safe-folder.ts`). It reads files of a
 * home only for their owner (`router/files`).
 */
import { constants } from 'node:fs';
import { mkdir, open, readdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../lib/system-errors';
import { HomeError, homeFault } from './home-faults';
import { Folder, type Owner, UnsafePathError } from './safe-folder';
import { renderTemplate, TemplateError, type Variables } from './seed-templates';

export { HomeError, TemplateError, UnsafePathError };

/** Thrown for a seed that cannot be used. The message names the path within the seed. */
export class SeedError extends Error {
  override readonly name = 'SeedError';
}

export interface PrepareHomeOptions {
  /** Absolute path. Created (mode 0700) if missing. Only the router writes to it. */
  readonly homesRoot: string;
  readonly agentId: string;
  /** The template tree; undefined for a backend without one. */
  readonly seedDir?: string;
  /** Paths within the seed of the files that are rendered again at every start. */
  readonly templatedFiles: readonly string[];
  /** The variables that templates may use. */
  readonly variables: Variables;
  /** The text of one templated file, in the place of what the seed says. */
  readonly instructions?: { readonly file: string; readonly text: string };
  /** Owner of the files that the router writes. Undefined: the router's own user. */
  readonly owner?: Owner | undefined;
}

/**
 * Prepares the agent's home for a start and returns its absolute path. Folders get mode 0700, files 0600 (0700 when the
 * file in the seed is executable). A file of the seed is copied only when the home has no entry of that name. Templated
 * files are rendered and replaced at every start. Starts of one agent must be serial.
 *
 * Throws `TemplateError` or `SeedError` before anything is written. Throws `UnsafePathError` when the home has a link or
 * the wrong kind of file at the path of a templated file, and `HomeError` when the file system refuses an operation.
 */
export async function prepareHome(options: PrepareHomeOptions): Promise<{ path: string }> {
  const path = homePath(options.homesRoot, options.agentId);
  const seed = options.seedDir === undefined ? [] : await readSeed(options.seedDir, '');
  const rendered = await renderAll(seed, options);
  const { owner } = options;
  try {
    await mkdir(options.homesRoot, { recursive: true, mode: 0o700 });
    // The operator may have made the root a link, so it is resolved. Below the root no link is followed.
    await using root = await Folder.open(await realpath(options.homesRoot));
    await using home = await root.enter(options.agentId, owner);
    await fill(home, seed, { rendered, owner });
    return { path };
  } catch (error) {
    throw homeFault(error);
  }
}

/**
 * Deletes the home of a deleted agent, whose runner is gone. Follows no link. Throws what the file system refuses, such as
 * files of another user that the router may not delete.
 */
export async function deleteHome(homesRoot: string, agentId: string): Promise<void> {
  await rm(homePath(homesRoot, agentId), { recursive: true, force: true });
}

/**
 * Returns the path of an agent's home. Throws a TypeError for an id with other characters than those of `ids.ts`: a second
 * check against path traversal. Dots are refused, so `.trash` cannot be the home of an agent.
 */
export function homePath(homesRoot: string, agentId: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(agentId)) throw new TypeError('An agent id must be a plain name.');
  return join(homesRoot, agentId);
}

/** A file or folder of the seed; a folder has `entries`. `path` is relative to the seed, `from` is the path on the disk. */
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

/**
 * Renders all templated files, before the home is changed, so that a broken seed leaves the home as it was. Keyed by
 * path within the seed.
 */
async function renderAll(
  seed: readonly SeedEntry[],
  { templatedFiles, variables, instructions }: PrepareHomeOptions,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map(flatten(seed).map((entry) => [entry.path, entry]));
  const rendered = new Map<string, Uint8Array>();
  for (const path of templatedFiles) {
    const entry = files.get(path);
    if (entry === undefined) throw new SeedError(`The templated file ${path} is not in the seed.`);
    if (path === instructions?.file) {
      rendered.set(path, new TextEncoder().encode(instructions.text));
      continue;
    }
    const { bytes } = await readSeedFile(entry);
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

/** Reads the seed. Throws a `SeedError` if the seed is at fault. */
async function readSeedFile({ from, path }: SeedEntry): Promise<{ bytes: Uint8Array; isExecutable: boolean }> {
  try {
    await using file = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW);
    const { mode } = await file.stat();
    return { bytes: await file.readFile(), isExecutable: (mode & 0o100) !== 0 };
  } catch (cause) {
    if (hasCode(cause, 'EMFILE', 'ENFILE', 'ENOMEM')) throw homeFault(cause);
    throw new SeedError(`${path} in the seed cannot be read.`, { cause });
  }
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
    // An agent may replace a seeded folder by another kind of file, unless a templated file belongs into that folder.
    const isNeeded = [...filling.rendered.keys()].some((path) => path.startsWith(`${entry.path}/`));
    if (!(error instanceof UnsafePathError) || isNeeded) throw error;
  }
}

async function fillFile(folder: Folder, entry: SeedEntry, { rendered, owner }: Filling): Promise<void> {
  const text = rendered.get(entry.path);
  if (!text && (await folder.has(entry.name))) return;
  const { bytes, isExecutable } = await readSeedFile(entry);
  await folder.write(entry.name, text ?? bytes, { owner, isExecutable });
}
