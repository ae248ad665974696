/** The path of the worker that makes checkpoints. In the router's bundle (scripts/build.ts), a file beside it. */
import { join } from 'node:path';

export const checkpointFile = join(import.meta.dir, 'checkpoint-worker.ts');
