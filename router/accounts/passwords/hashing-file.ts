/** The path of the worker that hashes passwords. In the router's bundle (scripts/build.ts), a file beside it. */
import { join } from 'node:path';

export const hashingFile = join(import.meta.dir, 'hashing-worker.ts');
