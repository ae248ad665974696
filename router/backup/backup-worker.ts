/** The worker thread that makes one backup (schedule.ts), because copying the database blocks its thread. */
import { makeBackup, type Places } from './backup';

declare const self: Worker;

/** What the thread answers: the folder of the backup, or why there is none. */
export type BackupResult = { readonly path: string } | { readonly problem: string };

self.onmessage = async ({ data }: MessageEvent<{ readonly places: Places; readonly root: string }>) => {
  const result: BackupResult = await makeBackup(data.places, data.root).then(
    (path) => ({ path }),
    (error: unknown) => ({ problem: error instanceof Error ? error.message : String(error) }),
  );
  self.postMessage(result);
};
