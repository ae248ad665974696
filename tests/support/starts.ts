/** Holds starts of the demo agent, and its calls of tools, for as long as a test looks at them, however slow the machine is. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backendsWithDemoEnv } from './process';

export interface Starts {
  /** A start waits while the file `start` exists in it; a call, while the file with its id exists. */
  readonly folder: string;
  /** @param what `start` (the default), or the id of a call, such as `call_2` for the second one of an answer. */
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
