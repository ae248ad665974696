/**
 * One request to an agent's runner: takes the lease, sends the request, and tries once more when the runner has
 * vanished.
 */

import { readRefusal } from '../../backends/shared/upstream-errors';
import type { Agent } from '../agents/store';
import type { Backend } from '../backends/backends';
import { accessHeaders } from '../backends/traits';
import type { Abortable } from '../lib/abort';
import { AppError, type Refusal } from '../lib/errors';
import { newId } from '../lib/ids';
import { jsonObject } from '../lib/json';
import { toOpenAiError } from '../lib/openai-errors';
import { type Body, bodyOf, readText } from '../net/body';
import { mapBody } from '../net/mapped-body';
import { type AnswerHeaders, type OutgoingAnswer, open, UnreachableError } from '../net/outgoing';
import { retryAfterMs } from '../net/retry-after';
import type { Recorder } from '../relay/relay';
import type { Silence } from '../relay/timeouts';
import { isEventStream } from '../web/answers/headers';
import { withoutInsides } from './redact';
import type { Lease, RunnersService } from './runners';
import type { Work } from './slots/slot';
import { isKeyRefused } from './start/readiness';

/** Bytes of a refusal that are read: enough to find its message. */
const REFUSAL_BYTES_MAX = 16_384;
/** Bytes of a UTF-8 character that may be missing at the end of a cut text. */
const CHARACTER_BYTES_MAX = 4;
/** Characters of a refusal that was too long to be passed on whole. */
const WORDS_LENGTH_MAX = 1_000;
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
  readonly body?: string | Uint8Array<ArrayBuffer> | undefined;
  readonly signal: Abortable;
  /** A person asked for this start: the back-off after failed starts does not apply. */
  readonly explicit?: boolean;
  readonly work?: Work;
  /** Notified when the request is sent to the runner. */
  readonly silence?: Silence;
}

/** The answer of a runner. The caller releases `lease` when the body has ended. */
export interface RunnerAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: Body;
  readonly lease: Lease;
  /** Returns why the body broke off. */
  readonly lost: (cause: unknown) => Promise<AppError>;
}

/** Throws the error that made the start fail, `runner_lost` when the runner does not answer, or the signal's reason. */
export async function callRunner(runners: RunnersService, request: RunnerRequest): Promise<RunnerAnswer> {
  for (let attempt = 1; ; attempt += 1) {
    // A client that has already left must not start a runner.
    request.signal.throwIfAborted();
    const leasing = runners.lease(request.agent, request);
    const lease = leasing instanceof Promise ? await leasing : leasing;
    try {
      request.silence?.asked();
      const answer = await open({
        url: lease.runner.url + request.path,
        peer: lease.runner.id,
        method: request.method,
        headers: {
          ...request.headers,
          ...request.work?.trace,
          ...accessHeaders(request.backend, lease.runner.accessKey),
        },
        body: request.body,
        signal: request.signal,
      });
      const { status } = answer;
      if (isKeyRefused(status) && attempt === 1 && (await isAnothers(runners, lease))) {
        answer.body.cancel();
        lease.release();
        continue;
      }
      const shown = status >= 400 ? await refusalBody(answer, runners, request, lease) : answerBody(answer, request);
      request.signal.throwIfAborted();
      return { status, headers: shown.headers, body: shown.body, lease, lost: lostBy(runners, lease) };
    } catch (error) {
      lease.answered(false);
      try {
        if (!(error instanceof UnreachableError)) throw error;
        if (error.isMalformed) throw new AppError('runner_lost', { message: NOT_HTTP, cause: error });
        const end = await runners.endOf(lease.runner);
        const reach = end ? undefined : await runners.reachOf(lease.runner);
        const mayTryAgain = end ? !end.isAsked : reach !== 'nowhere';
        // The runner may have begun this work, so no other runner repeats it: only the user can know whether it should
        // be repeated.
        if (mayTryAgain && !error.mayHaveArrived && attempt === 1) continue;
        // A busy platform may have said only when it was asked again that the runner has ended, and why.
        const late = reach === 'elsewhere' ? await runners.endOf(lease.runner) : undefined;
        const message = error.mayHaveArrived ? NO_ANSWER : NOT_REACHED;
        throw (await (end ?? late)?.error) ?? new AppError('runner_lost', { message, cause: error });
      } finally {
        lease.release();
      }
    }
  }
}

/** Not made where the request is: what is made there keeps the request, and its body, as long as the answer. */
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
  const created = Math.floor(Date.now() / 1000);
  const chunk = { id: `chatcmpl-${newId()}`, object: 'chat.completion.chunk', created, model, choices };
  return `data: ${JSON.stringify(chunk)}\n\n`;
}

/**
 * The text of a refusal without the keys, names and addresses of its runner, but with those that its owner has set. A body
 * that is not text is passed on unchanged.
 */
async function refusalBody(
  { headers, body }: OutgoingAnswer,
  runners: RunnersService,
  { agent, backend }: RunnerRequest,
  { runner }: Lease,
) {
  const type = headers.get('content-type') ?? '';
  if (!/json|^text\/(?!event-stream)/i.test(type)) return { headers, body };
  const read = await readText(body, REFUSAL_BYTES_MAX);
  const redacted = withoutInsides(read, runner.url, await runners.ownHosts(agent, backend));
  // A cut JSON text is not valid JSON, so its text becomes the message of a JSON error.
  const isWhole = Buffer.byteLength(read) < REFUSAL_BYTES_MAX - CHARACTER_BYTES_MAX;
  const isCut = !isWhole && /json/i.test(type) && jsonObject(read) === undefined;
  const bytes = utf8.encode(isCut ? JSON.stringify(shortened(redacted)) : redacted);
  const get = (name: string) => (name === 'content-length' ? String(bytes.length) : headers.get(name));
  return { headers: { get }, body: bodyOf(bytes) };
}

function shortened(message: string): object {
  return toOpenAiError(new AppError('runner_lost', { message: `${message.slice(0, WORDS_LENGTH_MAX)}…` }));
}

/**
 * Turns a runner's refusal into an `AppError`, with the runner's message where it has one. Releases the lease; never
 * throws.
 */
export async function refusalOf(
  answer: Pick<RunnerAnswer, 'status' | 'headers' | 'body' | 'lease'>,
): Promise<AppError> {
  const text = await readText(answer.body, REFUSAL_BYTES_MAX);
  answer.lease.release();
  return refusal(answer, text);
}

/** Makes a recorder for a refusal: the body is not text of the answer, but the reason why there is no answer. */
export function recordRefusal(recorder: Recorder, answer: Pick<RunnerAnswer, 'status' | 'headers'>): Recorder {
  const decoder = new TextDecoder();
  let text = '';
  return {
    chunk(bytes) {
      if (text.length < REFUSAL_BYTES_MAX) text += decoder.decode(bytes, { stream: true });
    },
    end(ending, error) {
      if (ending === 'stopped') return recorder.end(ending);
      return recorder.end('failed', error ?? refusal(answer, text));
    },
  };
}

/** @param text the body of the answer, or its beginning. */
function refusal({ status, headers }: Pick<RunnerAnswer, 'status' | 'headers'>, text: string): AppError {
  const { message, type, code, param } = readRefusal(text) ?? {};
  const usualType = status < 500 ? 'invalid_request_error' : 'server_error';
  return new AppError('runner_lost', {
    message: message ?? `The agent answered ${status}.`,
    refusal: { status, type: type ?? (status === 429 ? 'rate_limit_error' : usualType), code: code ?? null },
    ...(param !== undefined && { param }),
    retryAfterSeconds: retryAfterSeconds(headers),
  });
}

/** Reads from a whole refusal the values that become headers of the answer. */
export function refusalIn(status: number, text: string): Refusal {
  const { type = '', code = null } = readRefusal(text) ?? {};
  return { status, type, code };
}

/** At least one second, because the header is sent on in whole seconds. */
function retryAfterSeconds(headers: AnswerHeaders): number | undefined {
  const ms = retryAfterMs(headers);
  return ms === undefined ? undefined : Math.max(1, Math.ceil(ms / 1000));
}
