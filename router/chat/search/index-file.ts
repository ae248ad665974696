/** The path of the worker that indexes messages. In the router's bundle (scripts/build.ts), a file beside it. */
import { join } from 'node:path';

export const indexFile = join(import.meta.dir, 'index-worker.ts');
