/** `bun run import`, as a process of its own. */
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../../router/config/root';
import { runCommand } from './command';
import { SETTINGS } from './router';

interface Import {
  /** The data root of the first agent-stack. */
  readonly from: string;
  /** The new data root, in which `backends.json` is written. */
  readonly to: string;
  readonly backends: readonly Record<string, unknown>[];
  readonly args?: readonly string[];
  /** The folder whose `.env` has the settings; without it they are those of the tests. */
  readonly cwd?: string;
  /** A command that runs it. */
  readonly prefix?: readonly string[];
}

/** @returns what the command has said, and whether it succeeded. */
export async function runImport({ from, to, backends, args = [], cwd, prefix = [] }: Import) {
  mkdirSync(to, { recursive: true });
  const backendsPath = join(to, '../backends.json');
  await Bun.write(backendsPath, JSON.stringify(backends));
  const env = { STACK_DATA_ROOT: to, BACKENDS_CONFIG_PATH: backendsPath, PATH: '', TMPDIR: tmpdir() };
  const command = [...prefix, process.execPath, join(repositoryRoot, 'scripts/import.ts'), from, ...args];
  const settings = cwd === undefined ? { env: { ...SETTINGS, ...env } } : { cwd, env };
  const { code, out, errors } = await runCommand(command, settings);
  return { said: out + errors, isDone: code === 0 };
}
