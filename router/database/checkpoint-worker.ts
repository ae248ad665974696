/** The worker thread that makes checkpoints (checkpoints.ts), through a connection of its own. */
import { giveWay } from '../lib/give-way';
import { openInThread } from './thread-connection';

declare const self: Worker;

/** Path of a database. */
export type CheckpointJob = string;
/** What kept it from being made; empty when it was made. */
export type CheckpointResult = string;

/**
 * What is written during one run waits for the next, which is the shorter. SQLite begins its log anew only when nothing waits,
 * and so often it is tried at once.
 */
const RUNS = 5;

function checkpoint(path: string): void {
  using sqlite = openInThread(path);
  for (let run = 0; run < RUNS; run += 1) {
    // Waits for nobody, and lets nobody wait.
    sqlite.query('PRAGMA wal_checkpoint(PASSIVE)').get();
    const { log, checkpointed } = sqlite.query('PRAGMA wal_checkpoint(NOOP)').get() as Record<string, number>;
    if (log === checkpointed) return;
  }
}

giveWay();
self.onmessage = ({ data: path }: MessageEvent<CheckpointJob>) => {
  try {
    checkpoint(path);
    self.postMessage('' satisfies CheckpointResult);
  } catch (error) {
    self.postMessage(String(error) satisfies CheckpointResult);
  }
};
self.postMessage('ready');
