/** What the administrator's pages of runners show, already looked up. */
import type { RunnerState } from '../models';

/** How many runners there are by state, what they take, and what the router runs on. */
export interface FleetView {
  readonly running: number;
  readonly starting: number;
  /** Starts that wait for their turn. */
  readonly queued: number;
  readonly failed: number;
  /** Percent of one CPU, of all runners together. */
  readonly cpuPercent: number;
  readonly memoryBytes: number;
  /** Of the disk with the data. */
  readonly freeBytes: number;
  readonly diskBytes: number;
  readonly databaseBytes: number;
  readonly versions: string;
  /** Platforms that do not answer, and why. */
  readonly problems: readonly { readonly platform: string; readonly message: string }[];
}

export interface AdminRunnerView {
  readonly agentId: string;
  readonly name: string;
  /** The address of the user's account. */
  readonly owner: string;
  readonly backend: string;
  readonly state: RunnerState;
  readonly upMs: number;
  /** Answers of requests, and calls of the runner to its model, that keep it up. */
  readonly answers: number;
  readonly calls: number;
  /** Milliseconds without work. */
  readonly idleMs: number;
  readonly isStale: boolean;
  /** Absent where nothing was measured yet. */
  readonly cpuPercent?: number;
  readonly memoryBytes?: number;
}

/** An entry of `backends.json`. */
export interface AdminBackendView {
  readonly name: string;
  readonly displayName: string;
  readonly driver: string;
  readonly isDisabled: boolean;
  readonly image?: string;
  /** Absent while nothing is known of the image. */
  readonly imageState?: 'present' | 'ok' | 'pulling' | 'failed';
  /** Why its runners cannot start. */
  readonly problem?: string;
  readonly runners: number;
  /** Whether users without limits of their own may use it. */
  readonly isForAll: boolean;
}
