/** One request to an agent's runner: takes the lease, sends the request, and tries once more when the runner has vanished. */
import type { Agent } from '../agents/store';
import type { Backend } from '../backends/backends';
import { accessHeaders } from '../backends/traits';
import type { Abortable } from '../lib/abort';
import { AppError } from '../lib/errors';
import { newId } from '../lib/ids';
import { unixSeconds } from '../lib/time';
import type { Body } from '../net/body';
import { mapBody } from '../net/mapped-body';
import { type AnswerHeaders, type OutgoingAnswer, open, UnreachableError } from '../net/outgoing';
import type { Silence } from '../relay/timeouts';
import { isEventStream } from '../web/answers/headers';
import { refusalBody } from './refusals';
import type { RunnersService } from './runners';
import type { Lease } from './slots/hold';
import type { Work } from './slots/slot';
import { isKeyRefused } from './start/readiness';

const CHAT_PATH = /^\/v1\/chat\/completions(\?|$)/;
const utf8 = new TextEncoder();
const NOT_REACHED = 'The agent cannot be reached right now. Try again in a moment.';
const NO_ANSWER = 'The agent closed the connection without an answer.';
const NOT_HTTP = 'The agent sent something that is not a valid HTTP answer. Its log may say why.';

export interface RunnerRequest {
  readonly agent: Agent;
  readonly backend: Backend;
  readonly method: string;
  /** Path and query on the runner, beginning with a slash. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Unset by a caller that keeps this request after the answer has come, so that the body does not stay in memory. */
  body?: string | Uint8Array<ArrayBuffer> | undefined;
  /** A person asked for this start: the back-off after failed starts does not apply. */
  readonly explicit?: boolean;
  readonly work: Work;
}

/** What waits for the answer: its abort, and its clocks. */
interface Waits {
  readonly signal: Abortable;
  /** Notified when the request is sent to the runner. */
  readonly silence?: Silence | undefined;
}

/** The answer of a runner. The caller ends `lease` when the body has ended. */
export interface RunnerAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: Body;
  readonly lease: Lease;
  /** Returns why the body broke off. */
  readonly lost: (cause: unknown) => Promise<AppError>;
}

/** Throws the error that made the start fail, `runner_lost` when the runner does not answer, or the signal's reason. */
export async function callRunner(
  runners: RunnersService,
  request: RunnerRequest,
  { signal, silence }: Waits,
): Promise<RunnerAnswer> {
  for (let attempt = 1; ; attempt += 1) {
    // A client that has already left must not start a runner.
    signal.throwIfAborted();
    const { agent, explicit = false, work } = request;
    const leasing = runners.lease(agent, { signal, explicit, work });
    const lease = leasing instanceof Promise ? await leasing : leasing;
    let answer: OutgoingAnswer | undefined;
    try {
      silence?.asked();
      answer = await open({
        url: lease.runner.url + request.path,
        peer: lease.runner.id,
        method: request.method,
        headers: {
          ...request.headers,
          ...work.trace,
          ...accessHeaders(request.backend, lease.runner.accessKey),
        },
        body: request.body,
        signal,
      });
      const { status } = answer;
      if (isKeyRefused(status) && attempt === 1 && (await isAnothers(runners, lease))) {
        answer.body.cancel();
        lease.end();
        continue;
      }
      const shown = status >= 400 ? await refusalBody(answer, runners, request, lease) : answerBody(answer, request);
      signal.throwIfAborted();
      return { status, headers: shown.headers, body: shown.body, lease, lost: lostBy(runners, lease) };
    } catch (error) {
      answer?.body.cancel();
      lease.answered(false);
      try {
        const lost = error instanceof UnreachableError ? await lostBefore(runners, lease, error, attempt > 1) : error;
        if (lost !== undefined) throw lost;
      } finally {
        lease.end();
      }
    }
  }
}

/**
 * Returns why a runner did not answer; `undefined` if the request is to be sent once more, because it has not arrived, and the
 * runner was replaced or can be reached again.
 */
async function lostBefore(
  runners: RunnersService,
  { runner }: Lease,
  error: UnreachableError,
  isLast: boolean,
): Promise<AppError | undefined> {
  if (error.isMalformed) return new AppError('runner_lost', { message: NOT_HTTP, cause: error });
  const end = await runners.endOf(runner);
  const reach = end ? undefined : await runners.reachOf(runner);
  const mayTryAgain = end ? !end.isAsked : reach !== 'nowhere';
  // The runner may have begun this work, so no other runner repeats it: only the user can know whether it should be repeated.
  if (mayTryAgain && !error.mayHaveArrived && !isLast) return undefined;
  // A busy platform may have said only when it was asked again that the runner has ended, and why.
  const late = reach === 'elsewhere' ? await runners.endOf(runner) : undefined;
  const message = error.mayHaveArrived ? NO_ANSWER : NOT_REACHED;
  return (await (end ?? late)?.error) ?? new AppError('runner_lost', { message, cause: error });
}

/** Not a closure in `callRunner`, which would keep the request and its body in memory as long as the answer. */
function lostBy(runners: RunnersService, { runner }: Lease): RunnerAnswer['lost'] {
  return async (cause) => (await (await runners.endOf(runner))?.error) ?? new AppError('runner_lost', { cause });
}

/**
 * Whether the key was refused because another runner now has the address. That runner refused the request, so it can be
 * sent again.
 */
async function isAnothers(runners: RunnersService, lease: Lease): Promise<boolean> {
  lease.answered(false);
  const reach = await runners.reachOf(lease.runner);
  if (reach === 'nowhere') throw new AppError('runner_lost', { message: NOT_REACHED });
  lease.answered(reach === 'here');
  return reach === 'elsewhere';
}

/** Returns the runner's answer unchanged, unless the entry of its backend says that its streams lack the role. */
function answerBody({ status, headers, body }: OutgoingAnswer, { backend, path }: RunnerRequest) {
  const lacksRole = backend.streamLacksRole && status === 200 && CHAT_PATH.test(path) && isEventStream(headers);
  return { headers, body: lacksRole ? withRole(body, backend) : body };
}

/**
 * Puts a chunk that names the role before a streamed chat: OpenAI's own client refuses a stream without one. The chunk
 * is sent with the runner's first bytes, so that a silent runner still counts as silent; the runner's own bytes are not
 * changed (law 8).
 */
function withRole(body: Body, { name }: Backend): Body {
  let isFirst = true;
  return mapBody(body, {
    chunk(bytes) {
      if (!isFirst) return bytes;
      isFirst = false;
      return Buffer.concat([utf8.encode(roleChunk(name)), bytes]);
    },
    end: () => new Uint8Array(),
  });
}

function roleChunk(model: string): string {
  const choices = [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }];
  const created = unixSeconds(Date.now());
  const chunk = { id: `chatcmpl-${newId()}`, object: 'chat.completion.chunk', created, model, choices };
  return `data: ${JSON.stringify(chunk)}\n\n`;
}
