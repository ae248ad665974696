/** What homes and all other data take on the disk: added up in the background, because there may be millions of files. */
import type { Dir } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { processLog } from '../../lib/log';

/** Files of one walk. Beyond it the sums are lower bounds. */
const FILES_MAX = 2_000_000;
/** Files after which the walk rests, so that it takes only a part of one core. */
const FILES_AT_ONCE = 200;
const REST_MS = 10;
/** How long sums are shown before they are made anew. */
const KEPT_MS = 900_000;

interface DiskUse {
  readonly homesBytes: number;
  /** Everything below the folder of the data, with the homes that are there. */
  readonly dataBytes: number;
  /** When the walk ended, in milliseconds since the epoch. */
  readonly atMs: number;
  /** Whether every file was counted. */
  readonly isWhole: boolean;
}

export type DiskUseService = ReturnType<typeof diskUseService>;

/** @param deps.filesMax files of one walk. */
export function diskUseService(deps: {
  dataRoot: string;
  homesRoot: string;
  now: () => number;
  steady: () => number;
  filesMax?: number;
}) {
  const { dataRoot, homesRoot, now, steady, filesMax = FILES_MAX } = deps;
  const closing = new AbortController();
  let known: DiskUse | undefined;
  let walking: Promise<void> | undefined;
  let measuredMs = Number.NEGATIVE_INFINITY;

  /** Follows no link; what cannot be read counts nothing. */
  async function measure(): Promise<void> {
    const walk = new Walk(filesMax, closing.signal);
    const isInside = !relative(dataRoot, homesRoot).startsWith('..');
    const homesBytes = await walk.sum(homesRoot);
    const otherBytes = await walk.sum(dataRoot, homesRoot);
    if (closing.signal.aborted) return;
    const dataBytes = otherBytes + (isInside ? homesBytes : 0);
    known = { homesBytes, dataBytes, atMs: now(), isWhole: walk.isWhole };
    measuredMs = steady();
    processLog.debug(known, 'disk.measured');
  }

  return {
    /** The last sums; undefined before the first walk has ended. Begins a walk if they are old, so only while a page shows them. */
    look(): DiskUse | undefined {
      if (!walking && steady() - measuredMs >= KEPT_MS) {
        walking = measure()
          .catch((error: unknown) => processLog.error({ err: error }, 'disk.not_measured'))
          .finally(() => {
            walking = undefined;
          });
      }
      return known;
    },

    [Symbol.dispose]: () => closing.abort(),
  };
}

class Walk {
  isWhole = true;
  #seen = 0;

  constructor(
    readonly filesMax: number,
    readonly signal: AbortSignal,
  ) {}

  /** @param without the path of a folder that is not counted. */
  async sum(root: string, without?: string): Promise<number> {
    let bytes = 0;
    const folders = [root];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      for await (const entry of (await opened(folder)) ?? []) {
        if (!(await this.#mayGoOn())) return bytes;
        const path = join(folder, entry.name);
        if (entry.isDirectory() && path !== without) folders.push(path);
        if (entry.isFile()) bytes += await sizeOf(path);
      }
    }
    return bytes;
  }

  async #mayGoOn(): Promise<boolean> {
    this.#seen += 1;
    if (this.#seen > this.filesMax) this.isWhole = false;
    if (this.#seen % FILES_AT_ONCE === 0) await delay(REST_MS, undefined, { ref: false });
    return this.isWhole && !this.signal.aborted;
  }
}

async function opened(folder: string): Promise<Dir | undefined> {
  return opendir(folder, { bufferSize: FILES_AT_ONCE }).catch(() => undefined);
}

/** What the file takes on the disk: a file with holes takes less than its length. */
async function sizeOf(path: string): Promise<number> {
  const found = await lstat(path).catch(() => undefined);
  return (found?.blocks ?? 0) * 512;
}
