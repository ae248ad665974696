/**
 * Loaded into a router's process before it: counts its SQL statements, and tells them at `COUNTING_PORT` after a
 * collection of garbage. Counts are the same on a busy machine, where times are not.
 */
import { Database, type Statement } from 'bun:sqlite';
import { readFileSync } from 'node:fs';

/** What a request to it answers. */
export interface Counted {
  /** SQL statements so far. */
  readonly statements: number;
  /** Transactions that were committed so far, those of a single statement among them. */
  readonly commits: number;
  /** Bytes that calls of the kernel have written to files so far, those of the log among them. 0 where there is no Linux to ask. */
  readonly writtenBytes: number;
}

const counted = { statements: 0, commits: 0 };
let isInTransaction = false;

function ran(text: string): void {
  counted.statements += 1;
  if (/^\s*begin\b/i.test(text)) isInTransaction = true;
  else if (/^\s*(commit|rollback)\b/i.test(text)) {
    isInTransaction = false;
    counted.commits += 1;
  } else if (!isInTransaction && /^\s*(insert|update|delete)\b/i.test(text)) counted.commits += 1;
}

type Runs = Record<'run' | 'get' | 'all' | 'values', (...values: unknown[]) => unknown>;

const watched = new WeakSet<object>();

/** A statement's methods are properties of its own, and some statements are kept by whoever made them. */
function watch(statement: Statement, text: string): Statement {
  if (watched.has(statement)) return statement;
  watched.add(statement);
  const methods = statement as unknown as Runs;
  for (const name of ['run', 'get', 'all', 'values'] as const) {
    const method = methods[name];
    methods[name] = (...values) => {
      ran(text);
      return method.apply(statement, values);
    };
  }
  return statement;
}

const { prepare, query, run } = Database.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
Object.assign(Database.prototype, {
  prepare(...args: unknown[]) {
    return watch(prepare?.apply(this, args) as Statement, String(args[0]));
  },
  query(...args: unknown[]) {
    return watch(query?.apply(this, args) as Statement, String(args[0]));
  },
  run(...args: unknown[]) {
    ran(String(args[0]));
    return run?.apply(this, args);
  },
});

/**
 * The thread of the search index follows what is recorded, and the log of collections has the lines of all threads, also within
 * each other: it does nothing here.
 */
globalThis.Worker = class extends Worker {
  constructor(file: string | URL, options?: WorkerOptions) {
    super(/index-worker/.test(String(file)) ? 'data:text/javascript,onmessage=()=>{}' : file, options);
  }
};

function writtenBytes(): number {
  try {
    return Number(/^wchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
  } catch {
    return 0;
  }
}

Bun.serve({
  hostname: '127.0.0.1',
  port: Number(process.env.COUNTING_PORT),
  fetch() {
    Bun.gc(true);
    return Response.json({ ...counted, writtenBytes: writtenBytes() } satisfies Counted);
  },
});
