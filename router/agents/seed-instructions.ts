/** The instructions that a seed has for an agent, as its owner reads them. */
import { readFile } from 'node:fs/promises';
import type { Backend } from '../backends/backends';
import { fillIn } from '../backends/fill-in';
import { hasCode } from '../lib/system-errors';

/** @param user whose name stands for `AGENT_USER_NAME`. @returns undefined where there are none to read. */
export async function seedInstructions(
  seedsRoot: string,
  { seedSubdir, instructionsFile }: Backend,
  user: { readonly name: string; readonly email: string },
): Promise<string | undefined> {
  if (seedSubdir === undefined || instructionsFile === undefined) return undefined;
  const text = await readFile(`${seedsRoot}/${seedSubdir}/${instructionsFile}`, 'utf8').catch(missing);
  return text && fillIn(text, { AGENT_USER_NAME: user.name || user.email });
}

function missing(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT')) throw error;
}
