/** Recorders, which observe an answer. Errors that they throw are logged, and do not make the answer fail. */
import type { AppError } from '../lib/errors';
import { threw } from '../lib/safely';

export type Ending = 'done' | 'stopped' | 'failed';

/** Observes the answer. Called after the client got the chunk. Errors that it throws are logged and have no effect. */
export interface Recorder {
  chunk(bytes: Uint8Array): void;
  /** @returns resolves when the answer is stored; the client's body ends after that. Undefined: it ends at once. */
  end(ending: Ending, error?: AppError): Promise<void> | undefined;
}

/** Gives a recorder an answer that was read whole. @param of identifies the answer in the log, here and below. */
export function record(recorder: Recorder | undefined, of: object, bytes: Uint8Array): void {
  try {
    recorder?.chunk(bytes);
  } catch (thrown) {
    threw('recorder', of, thrown);
  }
}

export function endRecorder(
  recorder: Recorder | undefined,
  of: object,
  ending: Ending,
  error: AppError | undefined,
): Promise<void> | undefined {
  try {
    return recorder?.end(ending, error);
  } catch (thrown) {
    return threw('recorder', of, thrown);
  }
}
