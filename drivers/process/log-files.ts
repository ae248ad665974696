/**
 * The output of runners: one bounded file each.
 *
 * A file and not a pipe, because a pipe breaks when the router ends and takes the runner with it. The runner writes
 * with O_APPEND, so the file can be cut while it is written.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const sweepMs = 1_000;
/** How long the log of a runner that nobody stopped is kept after its last line. */
const forgottenMs = 7 * 24 * 3_600_000;
const newline = 0x0a;

export interface LogFiles extends Disposable {
  /** Creates the empty log of a life of a runner; the caller closes the descriptor after handing it on. */
  open(life: string): number;
  /** The last lines, oldest first; none when there is no log. */
  tail(life: string, lines: number): Promise<readonly string[]>;
  remove(life: string): Promise<void>;
  /** Removes old logs of runners that ended while no router was there to stop them. */
  sweep(living: ReadonlySet<string>): Promise<void>;
}

/**
 * Logs in `directory`, each cut to its last half when it has grown beyond `bytesMax`. That is looked after once a
 * second and only while the router runs, so a runner that writes fast goes beyond it for a moment.
 */
export async function createLogFiles(directory: string, bytesMax: number): Promise<LogFiles> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = (life: string) => join(directory, `${encodeURIComponent(life)}.log`);
  const files = async () => (await readdir(directory)).filter((name) => name.endsWith('.log'));
  const eachFile = async (act: (file: string, info: { size: number; mtimeMs: number }) => unknown) => {
    for (const name of await files().catch(() => [])) {
      const file = join(directory, name);
      const info = await stat(file).catch(() => undefined);
      if (info !== undefined) await act(file, info);
    }
  };
  const cutLong = () => eachFile((file, { size }) => size > bytesMax && cut(file, bytesMax));
  // A log may be removed while it is looked at; what could not be cut now is cut the next time.
  const timer = setInterval(() => void cutLong().catch(() => undefined), sweepMs);
  timer.unref();
  return {
    open: (life) => {
      const { O_WRONLY, O_APPEND, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
      return openSync(path(life), O_WRONLY | O_APPEND | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
    },
    async tail(life, count) {
      const file = Bun.file(path(life));
      const size = await file.stat().then(
        (info) => info.size,
        () => 0,
      );
      const from = Math.max(0, size - bytesMax);
      const lines = (
        await file
          .slice(from, size)
          .text()
          .catch(() => '')
      ).split('\n');
      if (lines.at(-1) === '') lines.pop();
      // The first one is a piece of a line when the reading began in the middle.
      if (from > 0) lines.shift();
      return count > 0 ? lines.slice(-count) : [];
    },
    remove: (life) => rm(path(life), { force: true }),
    sweep(living) {
      const kept = new Set([...living].map(path));
      const isOld = ({ mtimeMs }: { mtimeMs: number }) => Date.now() - mtimeMs > forgottenMs;
      return eachFile((file, info) => !kept.has(file) && isOld(info) && rm(file, { force: true }));
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/** Keeps whole lines of the last half. Synchronous: what is written in between, for microseconds, would be lost. */
function cut(file: string, bytesMax: number): void {
  const descriptor = openSync(file, constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW);
  try {
    const { size } = fstatSync(descriptor);
    const kept = Buffer.alloc(Math.min(size, Math.floor(bytesMax / 2)));
    const read = readSync(descriptor, kept, 0, kept.length, size - kept.length);
    ftruncateSync(descriptor, 0);
    writeSync(descriptor, kept.subarray(kept.indexOf(newline) + 1, read));
  } finally {
    closeSync(descriptor);
  }
}
