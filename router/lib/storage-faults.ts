/** Describes errors of the database's file: at the start, for a user whose request failed, and for `/readyz`. */
import { codeOf } from './system-errors';

/** What is wrong, as a part of a sentence, and a sentence that says what to do. */
interface StorageFault {
  readonly what: string;
  readonly remedy: string;
}

/** SQLite's result code, without the extension of the code → words. */
const FAULTS: Readonly<Record<string, StorageFault>> = {
  FULL: { what: 'its disk is full', remedy: 'Make room where the database is (df -h).' },
  READONLY: {
    what: 'it or its disk is read-only',
    remedy: "Mount its disk for writing, or give the data folder to the router's user.",
  },
  BUSY: {
    what: 'another program holds its lock',
    remedy: 'End that program, for example an open sqlite3, and try again.',
  },
  CORRUPT: {
    what: 'it is damaged',
    remedy: 'Stop the router, move the database away and restore a backup: bun run restore.',
  },
  NOTADB: { what: 'it is not an SQLite database', remedy: 'Move the file away, or set DB_PATH to another.' },
  CANTOPEN: {
    what: 'its file cannot be opened or created',
    remedy: "Give the data folder to the router's user; see whether its disk is mounted, writable and not full.",
  },
  IOERR: {
    what: 'its disk cannot be read or written',
    remedy: 'See df -h, whether it is mounted read-only (mount), and what the system log (dmesg) says about it.',
  },
};

/** Returns the words for an error of SQLite, or for one that was caused by it; undefined for every other error. */
export function storageFault(thrown: unknown): StorageFault | undefined {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    const code = /^SQLITE_([A-Z]+)/.exec(codeOf(error))?.[1];
    const fault = code && FAULTS[code];
    if (fault) return fault;
  }
  return undefined;
}
