/** The path of the worker that makes scheduled backups. In the router's bundle (scripts/build.ts), a file beside it. */
import { join } from 'node:path';

export const backupWorkerFile = join(import.meta.dir, 'backup-worker.ts');
