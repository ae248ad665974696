/** How the file of a driver is loaded. What `build.ts` makes has the drivers beside the router in it, and this one replaced. */
export const importDriver = (file: string): Promise<{ default?: unknown }> => import(file);
