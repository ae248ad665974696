/** The part of pino-roll that the router uses; the package has no types. */
declare module 'pino-roll' {
  import type { EventEmitter } from 'node:events';

  /** @see https://github.com/mcollina/pino-roll#options */
  export default function roll(options: {
    readonly file: string;
    readonly size: string;
    readonly limit: { readonly count: number; readonly removeOtherLogFiles: boolean };
    readonly symlink: boolean;
    readonly mkdir: boolean;
    readonly mode: number;
    readonly sync: boolean;
    readonly maxLength: number;
  }): Promise<EventEmitter & { write(lines: string): boolean }>;
}
