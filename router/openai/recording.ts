/** Begins the recording of a turn of `/v1`. */
import type { GenerationsService } from '../chat/generations/generations';
import type { Answer } from '../chat/generations/recorder';
import type { Abortable } from '../lib/abort';
import { AppError } from '../lib/errors';
import type { Plan } from './plan';

type RecordOptions = Parameters<GenerationsService['record']>[1];

interface Recording {
  readonly options: Omit<RecordOptions, 'isStream'>;
  /** Plans the request again. */
  readonly again: () => Promise<Plan>;
  readonly signal: Abortable;
}

interface Recorded {
  /** The plan that is recorded. */
  readonly plan: Plan;
  readonly answer: Answer | undefined;
}

/** Where another request has gone on from the same answer just now, this one is planned again, as a branch of its own. */
export async function recorded(generations: GenerationsService, plan: Plan, how: Recording): Promise<Recorded> {
  try {
    return await begun(generations, plan, how);
  } catch (error) {
    if (!(plan.turn && plan.goesOn && error instanceof AppError && error.code === 'answer_running')) throw error;
    // The other one's turn is told apart from the newest one only when it is stored.
    await generations.written(plan.turn.conversation.id);
    const planned = await how.again();
    how.signal.throwIfAborted();
    return begun(generations, planned, how);
  }
}

async function begun(generations: GenerationsService, plan: Plan, { options }: Recording): Promise<Recorded> {
  const { turn, wantsStream: isStream } = plan;
  return { plan, answer: turn && (await generations.record(turn, { isStream, ...options })) };
}
