/**
 * Why a start failed or a runner ended, in words for its user, and how long later requests are refused with that error.
 */
import type { DriverFault, Health } from '../../../drivers/driver';
import { HomeError, SeedError, TemplateError, UnsafePathError } from '../../agents/homes';
import type { Backend } from '../../backends/backends';
import { AppError, type Code, toAppError } from '../../lib/errors';
import { withoutKeys } from '../../lib/ids';
import { stringOf } from '../../lib/json';
import { clip } from '../../lib/text';
import { TimedOut } from '../../lib/time';
import { driverHint, driverMessage, isDriverFailure } from '../../platforms/driver-error';
import type { Failure } from '../slots/slot';

/** After failed starts in a row, requests are refused with the error for 1 s, 2 s, 4 s … 60 s. */
const BACK_OFF_MS = 1_000;
const BACK_OFF_MAX_MS = 60_000;

/** The words before the last output of a runner in a hint. */
const OUTPUT = 'Its last output:\n';

/** Characters of a driver's message, which may quote a whole output, and of its hint. */
const WORDS_CHARS_MAX = 6_000;
/** Characters of a platform's words about the end of a runner. */
const EXIT_CHARS_MAX = 1_000;
/** Characters of the last output that are searched for the reason. */
const TAIL_LENGTH_MAX = 8_192;
const LINE_LENGTH_MAX = 200;
const REASON = /error|fatal|failed|cannot|could not|missing|refused|denied|not found|no such|invalid|panic/i;

const MORE_MEMORY = 'If it happens again, the administrator can raise "limits.memory" of its backend in backends.json.';

/** Faults that are not listed are failures of the runner itself. */
const CODE_OF_FAULT: Partial<Record<DriverFault, Code>> = {
  unavailable: 'driver_unavailable',
  timeout: 'start_timeout',
};

/** The runner ended before it was ready. */
export class RunnerExited extends Error {
  override readonly name = 'RunnerExited';
  constructor(readonly health: Health) {
    super(describeExit(health));
  }
}

/** Describes how a runner ended, as the end of a sentence. */
function describeExit(health: Health): string {
  if (health.state !== 'exited') return 'it disappeared';
  const { exitCode, outOfMemory } = health;
  if (outOfMemory) return 'it ran out of memory';
  const [signal, reason] = [health.signal, health.reason].map((told) =>
    clip(withoutKeys(stringOf(told)), EXIT_CHARS_MAX),
  );
  const ended = exitCode === undefined ? 'it ended' : `it ended with exit code ${exitCode}`;
  const end = signal ? `it was ended by ${signal}` : ended;
  return reason ? `${end} (${reason})` : end;
}

/** The error of a failed start, for the user. `tail` is the runner's last output, or empty. */
export function startError({ displayName }: Backend, thrown: unknown, tail = ''): AppError {
  const couldNot = `${displayName} could not start`;
  const failed = (why: string, hint?: string, code: Code = 'runner_failed') =>
    withTail(code, `${couldNot}: ${why}`, { tail, hint, cause: thrown });
  if (thrown instanceof AppError) {
    return tail ? withTail(thrown.code, thrown.message, { tail, hint: thrown.hint, cause: thrown }) : thrown;
  }
  if (thrown instanceof RunnerExited) {
    const message = `${displayName} could not start: ${describeExit(thrown.health)}.`;
    return withTail('runner_failed', message, { tail, cause: thrown });
  }
  if (isDriverFailure(thrown)) {
    const hint = clip(driverHint(thrown) ?? '', WORDS_CHARS_MAX);
    return failed(clip(driverMessage(thrown), WORDS_CHARS_MAX), hint, CODE_OF_FAULT[thrown.fault]);
  }
  if (thrown instanceof TimedOut) return new AppError('driver_unavailable', { cause: thrown });
  if (thrown instanceof TemplateError || thrown instanceof SeedError) return failed(thrown.message);
  if (thrown instanceof HomeError) return failed(`${thrown.message}.`, thrown.hint);
  if (thrown instanceof UnsafePathError) {
    // Its message names a path of this machine, which belongs only into the log.
    const why = 'a link or a folder stands where one of its files has to be written at each start.';
    return failed(why, 'The log names it. Remove it from its home.');
  }
  return toAppError(thrown);
}

/** From a runner's last lines, picks the line that most likely says why it ended. */
function reasonIn(tail: string): string | undefined {
  const texts = tail
    .slice(-TAIL_LENGTH_MAX)
    .split('\n')
    .map((line) => line.trim());
  const lines = texts.filter((line) => line !== '');
  if (lines.length < 2) return undefined;
  const line = lines.findLast((one) => one.length <= LINE_LENGTH_MAX && REASON.test(one)) ?? lines.at(-1);
  return line?.slice(0, LINE_LENGTH_MAX);
}

/** The error for the user when a runner that had been ready has ended by itself. */
export function exitError(health: Health, tail: string): AppError {
  const isOutOfMemory = health.state === 'exited' && health.outOfMemory === true;
  const hint = `Send the message again to restart it.${isOutOfMemory ? ` ${MORE_MEMORY}` : ''}`;
  return withTail('runner_lost', `The agent stopped: ${describeExit(health)}.`, { tail, hint, cause: undefined });
}

/** The error for the user when a person stopped the runner of an answer that was under way. */
export function stoppedError(): AppError {
  return new AppError('runner_lost', { message: 'The agent was stopped before its answer was complete.' });
}

/** The error for the user when a runner was ended because it did not answer at its address. */
export function unreachableError(): AppError {
  return new AppError('runner_lost', {
    message: 'The agent could not be reached any more and was stopped. Send the message again to restart it.',
  });
}

/**
 * Records a failed start after `previous` ones in a row. A start that fails twice for the same reason will fail again,
 * so the error tells clients not to retry by themselves.
 * @param nowMs by the steady clock.
 */
export function startFailure(failed: AppError, previous: Failure | undefined, nowMs: number): Failure {
  const { code, message, hint, reason, cause } = failed;
  const isLasting = previous?.error.code === code && previous.error.message === message;
  const error = isLasting ? new AppError(code, { message, hint, reason, cause, isLasting }) : failed;
  const count = (previous?.count ?? 0) + 1;
  const backOffMs = Math.min(BACK_OFF_MS * 2 ** (count - 1), BACK_OFF_MAX_MS);
  return { error, count, retryAtMs: nowMs + backOffMs };
}

/**
 * The remembered failure for a request that comes before the back-off has ended, or `undefined` when a start may be
 * tried again. A failure that lasts names no time: clients would wait for it before they show the reason.
 * @param nowMs by the steady clock.
 */
export function refusal(failure: Failure | undefined, nowMs: number): AppError | undefined {
  if (!failure || nowMs >= failure.retryAtMs) return undefined;
  const { code, message, hint, reason, isLasting } = failure.error;
  const retryAfterSeconds = isLasting ? undefined : Math.ceil((failure.retryAtMs - nowMs) / 1000);
  return new AppError(code, { message, hint, reason, isLasting, retryAfterSeconds });
}

/** Whether `error` is a failure of the runner, and not of a value that its user or the administrator has set. */
export function isRunnersOwn(error: AppError): boolean {
  // No back-off for a silent platform: each start asks it again, which is quick.
  return error.status >= 500 && error.code !== 'backend_disabled' && error.code !== 'driver_unavailable';
}

function withTail(
  code: Code,
  message: string,
  more: { tail: string; hint?: string | undefined; cause: unknown },
): AppError {
  const { tail, cause } = more;
  const hint = [more.hint, tail && `${OUTPUT}${tail}`].filter(Boolean).join('\n');
  return new AppError(code, { message, ...(hint && { hint }), reason: reasonIn(tail), cause });
}

/** The hint without the runner's output, for readers who may not see that. */
export function withoutOutput(hint: string | undefined): string | undefined {
  const words = hint?.split(OUTPUT)[0]?.trim();
  return words === '' ? undefined : words;
}
