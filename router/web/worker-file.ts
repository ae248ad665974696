/** Where the worker that renders Markdown is. In the router that is one file (scripts/build.ts) it is a file beside that. */
import { join } from 'node:path';

export const workerFile = join(import.meta.dir, 'markdown-worker.ts');
