/**
 * The folder of the files that come with the router: assets, migrations, seeds, agents. `scripts/executable/build.ts` replaces this
 * module in the executable, which brings them along.
 */
import { resolve } from 'node:path';

/** Here the folder that holds `package.json`. */
export const repositoryRoot = resolve(import.meta.dir, '../..');

/** Returns the absolute path of a setting. Here relative paths start at the repository. */
export const settingPath = (text: string): string => resolve(repositoryRoot, text);
