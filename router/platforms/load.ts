/** Loads the file of a driver. `scripts/build.ts` replaces this module in the bundle, which contains the drivers. */
export const importDriver = (file: string): Promise<{ default?: unknown }> => import(file);
