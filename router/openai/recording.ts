/** Begins the recording of a turn of `/v1`. */
import type { GenerationsService } from '../chat/generations/generations';
import type { Answer } from '../chat/generations/recorder';
import type { Abortable } from '../lib/abort';
import { AppError } from '../lib/errors';
import { type Soon, whenThere } from '../lib/lookup';
import type { Plan } from './plan';

type RecordOptions = Parameters<GenerationsService['record']>[1];

interface Recording {
  readonly options: RecordOptions;
  /** Plans the request again. */
  readonly again: () => Soon<Plan>;
  readonly signal: Abortable;
  /** Called when its answer is recorded from here on. */
  onBegun(answer: Answer): void;
}

/** @returns the plan that is recorded. Nothing to wait for where the turn is stored with its answer, as nearly always. */
export function recorded(generations: GenerationsService, plan: Plan, how: Recording): Soon<Plan> {
  return plan.goesOn ? branched(generations, plan, how) : begun(generations, plan, how);
}

/** Where another request has gone on from the same answer just now, this one is planned again, as a branch of its own. */
async function branched(generations: GenerationsService, plan: Plan, how: Recording): Promise<Plan> {
  try {
    return await begun(generations, plan, how);
  } catch (error) {
    if (!(plan.turn && error instanceof AppError && error.code === 'answer_running')) throw error;
    // The other one's turn is told apart from the newest one only when it is stored.
    await generations.written(plan.turn.conversation.id);
    const planned = await how.again();
    how.signal.throwIfAborted();
    return begun(generations, planned, how);
  }
}

function begun(generations: GenerationsService, plan: Plan, { options, onBegun }: Recording): Soon<Plan> {
  const { turn } = plan;
  if (!turn) return plan;
  return whenThere(generations.record(turn, options), (answer) => {
    onBegun(answer);
    return plan;
  });
}
