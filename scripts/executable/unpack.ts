/**
 * Unpacks the files that the executable brings along (assets, migrations, seeds, agents), once for each version, into the
 * user's cache folder: agents are programs of their own, and seeds are copied from.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { archive } from './archive';

/** @returns The folder of the files. */
export function unpack(): string {
  // systemd sets the first for a unit with CacheDirectory=.
  const { CACHE_DIRECTORY, XDG_CACHE_HOME } = process.env;
  const cache = CACHE_DIRECTORY ?? join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'agent-stack');
  const folder = join(cache, archive.key);
  if (!existsSync(folder)) {
    const made = join(cache, `.new-${crypto.randomUUID()}`);
    const files: Record<string, string> = JSON.parse(readFileSync(archive.file, 'utf8'));
    for (const [path, base64] of Object.entries(files)) write(join(made, path), Buffer.from(base64, 'base64'));
    rename(made, folder);
  }
  return folder;
}

function write(path: string, content: Uint8Array | string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  writeFileSync(path, content);
}

/** Another process may have unpacked the same files meanwhile. */
function rename(made: string, folder: string): void {
  try {
    renameSync(made, folder);
  } catch (error) {
    rmSync(made, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
}
