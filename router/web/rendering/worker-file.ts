/**
 * The path of the worker that renders Markdown. In the router's bundle (scripts/build.ts), the worker is a file beside
 * it.
 */
import { join } from 'node:path';

export const workerFile = join(import.meta.dir, 'markdown-worker.ts');
