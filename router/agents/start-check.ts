/** Logs at the start of the router what will keep agents from starting: missing seeds, and homes that cannot be made. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Backend } from '../backends/backends';
import { runnersLog } from '../lib/log';
import type { HomesHealth } from './home-check';

/** Logs seeds that are missing, and why homes cannot be made. Never rejects. */
export async function logFaults(deps: {
  readonly homes: HomesHealth;
  readonly seedsRoot: string;
  readonly backends: { all(): readonly Backend[] };
}): Promise<void> {
  for (const { name, seedSubdir, disabled } of deps.backends.all()) {
    if (disabled || seedSubdir === undefined) continue;
    const folder = join(deps.seedsRoot, seedSubdir);
    const problem = `Its agents cannot start: there is no ${folder}. Set SEEDS_ROOT, or seed_subdir in backends.json.`;
    if (!existsSync(folder)) runnersLog.warn({ backend: name, problem }, 'seed.missing');
  }
  const problem = await deps.homes.problem();
  if (problem !== undefined) runnersLog.warn({ problem }, 'homes.refused');
}
