/** Starts of the demo agent that a test holds back for as long as it looks at one, however slow the machine is. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backendsWithDemoEnv } from './process';

export interface Starts {
  /** A start waits for as long as it is there. */
  readonly file: string;
  hold(): Promise<void>;
  release(): Promise<void>;
}

export async function holdStarts(): Promise<Starts & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-stack-starts-'));
  const file = join(folder, 'held');
  return {
    file,
    hold: () => writeFile(file, ''),
    release: () => rm(file, { force: true }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The repository's `backends.json`, with a demo agent whose start can be held. */
export async function backendsThatWait({ file }: Starts): Promise<Record<string, unknown>[]> {
  const wait = ['sh', '-c', 'while [ -e "$0" ]; do sleep 0.05; done; exec "$@"', file];
  const entries = await backendsWithDemoEnv({});
  return entries.map((entry) =>
    entry.name === 'demo' ? { ...entry, cmd: [...wait, ...(entry.cmd as string[])] } : entry,
  );
}
