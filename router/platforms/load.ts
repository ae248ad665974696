/** The drivers beside the router. `scripts/build.ts` replaces this module in a bundle, which contains them. */
import { join } from 'node:path';
import { repositoryRoot } from '../config/root';

/** Paths of the files of these drivers, of which each is in a folder with the driver's name. */
export const ownDrivers = (): readonly string[] => [
  ...new Bun.Glob('*/index.ts').scanSync({
    cwd: join(repositoryRoot, 'drivers'),
    absolute: true,
    followSymlinks: true,
  }),
];

/** Loads the file of a driver. */
export const importDriver = (file: string): Promise<{ default?: unknown }> => import(file);
