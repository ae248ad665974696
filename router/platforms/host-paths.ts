/** Paths as the container engine's host has them, for a router that itself runs in a container. */
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Config } from '../config/config';

export interface HostPaths {
  /** Translates a path below the data root. */
  of(path: string): string;
  /**
   * Whether the host has a file at this path of its own. Always true in a container, where the router cannot see the
   * host's folders.
   */
  has(path: string): boolean;
}

export function hostPaths({ dataRoot, hostStackRoot }: Pick<Config, 'dataRoot' | 'hostStackRoot'>): HostPaths {
  return {
    of(path) {
      const below = relative(dataRoot, path);
      return below.startsWith('..') ? path : join(hostStackRoot, below);
    },
    has: dataRoot === hostStackRoot ? existsSync : () => true,
  };
}
