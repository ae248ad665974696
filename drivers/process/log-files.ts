/**
 * Stores the output of each runner in one bounded file.
 *
 * The output is a file and not a pipe, because a pipe breaks when the router ends, and that would end the runner. The
 * runner writes with O_APPEND, so the router can shorten the file while the runner writes to it.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const sweepMs = 1_000;
/** How long the log of a runner is kept after its last line, when no router stopped the runner: 7 days. */
const forgottenMs = 7 * 24 * 3_600_000;
const newline = 0x0a;

export interface LogFiles extends Disposable {
  /**
   * Creates an empty log for one life of a runner, and returns its file descriptor. The caller closes the descriptor
   * after the spawn.
   */
  open(life: string): number;
  /** Returns the last lines, oldest first; an empty array when the log does not exist. */
  tail(life: string, lines: number): Promise<readonly string[]>;
  remove(life: string): Promise<void>;
  /** Removes old logs of runners that nobody stopped. `living` are the lives whose logs stay. */
  sweep(living: ReadonlySet<string>): Promise<void>;
}

/**
 * Keeps logs in `directory`, and cuts each log to its last half when it is longer than `bytesMax`. The sizes are checked
 * once a second and only while the router runs, so a log that grows fast is longer than `bytesMax` for a moment.
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
  // A log may be removed while its size is checked. A log that could not be cut is cut at the next check.
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
      // When the reading began in the middle of the file, the first line is incomplete.
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

/**
 * Keeps the whole lines of the last half. Synchronous, because output written between reading and truncating is lost: a
 * few microseconds here.
 */
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
