/** What the page of schedules shows, already looked up. */
import type { FormState } from '../models';

export interface ScheduleView {
  readonly id: string;
  readonly cron: string;
  /** The times in the fields of the form; absent if these cannot express them. */
  readonly simple?: { readonly every: string; readonly time: string };
  readonly timeZone: string;
  /** Its beginning. */
  readonly text: string;
  readonly isPaused: boolean;
  /** Absent while it is paused, and where there is no further time. */
  readonly nextAtMs?: number;
  readonly last?: {
    readonly atMs: number;
    readonly conversationId?: string;
    /** Why the agent could not be asked. */
    readonly problem?: string;
  };
  /** The form in which it is changed; absent while that is not open. */
  readonly form?: FormState;
}
