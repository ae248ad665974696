/** What the demo agent does that a test holds for as long as it looks at it, however slow the machine is: starts, and calls of tools. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backendsWithDemoEnv } from './process';

export interface Starts {
  /** A start waits for as long as the file `start` is there, a call for as long as that of its id is. */
  readonly folder: string;
  /** By default starts; calls by their id, such as `call_2` for the second of an answer. */
  hold(what?: string): Promise<void>;
  release(what?: string): Promise<void>;
}

export async function holdStarts(): Promise<Starts & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-stack-starts-'));
  return {
    folder,
    hold: (what = 'start') => writeFile(join(folder, what), ''),
    release: (what = 'start') => rm(join(folder, what), { force: true }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The repository's `backends.json`, with a demo agent whose starts and calls can be held. */
export async function backendsThatWait({ folder }: Starts): Promise<Record<string, unknown>[]> {
  const wait = ['sh', '-c', 'while [ -e "$0/start" ]; do sleep 0.05; done; exec "$@"', folder];
  const demo = ['bun', join(import.meta.dirname, 'demo-that-waits.ts'), folder];
  const entries = await backendsWithDemoEnv({});
  return entries.map((entry) => (entry.name === 'demo' ? { ...entry, cmd: [...wait, ...demo] } : entry));
}
