/** What the page of a runner shows, already looked up. */

/** CPU and memory at one moment. */
export interface LoadView {
  readonly atMs: number;
  /** Percent of one CPU. */
  readonly cpuPercent?: number;
  readonly memoryBytes?: number;
}

/** What a runner does, since when, and until when. */
export interface RunnerFactsView {
  readonly agentId: string;
  /** Absent while there is no runner. */
  readonly upMs?: number;
  /** Answers of requests, and calls of the runner to its model, that keep it up. */
  readonly answers: number;
  readonly calls: number;
  /** Its idle time; 0: it never stops by itself. */
  readonly idleMs: number;
  /** When it stops if nothing happens until then; absent while it works, or never stops. */
  readonly stopsInMs?: number;
  readonly isStale: boolean;
}

export interface RunnerDetailsView {
  readonly facts: RunnerFactsView;
  /** The loads of the last hour, oldest first. */
  readonly loads: readonly LoadView[];
  readonly nowMs: number;
  readonly limits: { readonly memoryBytes?: number; readonly cpus?: number };
  /** The end of its output. */
  readonly log: string;
}
