/** Takes the place of `router/config/root.ts` in the executable. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { unpack } from './unpack';

export const repositoryRoot = unpack();

/** Relative paths start at the working folder. A file that is missing there may be among those in the executable. */
export function settingPath(text: string): string {
  const [own, brought] = [resolve(text), resolve(repositoryRoot, text)];
  return !existsSync(own) && existsSync(brought) ? brought : own;
}
