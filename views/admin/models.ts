/** What the administrator's pages show, already looked up. */
import type { RunnerState } from '../models';

/** How many answers ended, and how many of those failed. */
export interface AnswersView {
  readonly ended: number;
  readonly failed: number;
}

/** How many runners there are by state, their CPU and memory, and the router's disk and versions. */
export interface OverviewView {
  readonly running: number;
  readonly starting: number;
  /** Starts that wait for their turn. */
  readonly queued: number;
  readonly failed: number;
  /** Percent of one CPU, of all runners together. */
  readonly cpuPercent: number;
  readonly memoryBytes: number;
  readonly lastHour: AnswersView;
  readonly lastDay: AnswersView;
  /** When the router started, in milliseconds since the epoch: answers before are not counted. */
  readonly startedAtMs: number;
  /** Free bytes of the disk with the data. */
  readonly freeBytes: number;
  readonly diskBytes: number;
  /** Including the part that is not yet in its main file. */
  readonly databaseBytes: number;
  /** Absent until they have been added up. */
  readonly disk?: {
    readonly homesBytes: number;
    readonly dataBytes: number;
    readonly atMs: number;
    readonly isWhole: boolean;
  };
  readonly versions: {
    readonly router: string;
    readonly bun: string;
    readonly schema: string;
    /** Versions of the platforms whose drivers say it. */
    readonly platforms: readonly string[];
  };
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
  /** What its start waits for, or why it failed. */
  readonly message?: string;
  /** What may help against that. */
  readonly hint?: string | undefined;
  /** Absent while there is no runner: it starts, or could not start. */
  readonly upMs?: number;
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
  /** Absent while nothing is known of the image. `message` and `percent` while it is being fetched. */
  readonly imageState?: {
    readonly state: 'present' | 'ok' | 'pulling' | 'failed';
    readonly message?: string;
    readonly percent?: number;
  };
  /** Why the image, which is present, could not be fetched anew. */
  readonly keptOld?: string;
  /** Whether its image can be fetched now. */
  readonly canFetch: boolean;
  /** Why its runners cannot start. */
  readonly problem?: string;
  readonly runners: number;
  /** Whether users without limits of their own may use it. */
  readonly isForAll: boolean;
}
