/**
 * `Idempotency-Key`: a client that does not know whether its request arrived sends it again, and gets the answer to the
 * first one, even while that answer is still being made. Only for requests without a stream. Kept in memory, so a
 * restart forgets all answers.
 */

import { type Allowance, Share } from '../lib/allowance';
import { AppError } from '../lib/errors';
import { type KeptBytes, kept } from '../net/body';
import { isEventStream } from '../web/answers/headers';
import { heldBody } from '../web/answers/held-body';
import { type Incoming, waitNoLonger } from '../web/patience';

/** Answers are kept for an hour, which is longer than clients retry. */
const KEEP_MS = 3_600_000;
const ANSWERS_MAX = 1_000;
/** Limits of all kept answers together. */
const BYTES_MAX = 33_554_432;
/** A credential has a quarter of both limits, so that it replaces its own answers and not those of others. */
const SHARE = 4;

interface KeptAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

interface Entry {
  /** Id of the credential that made the request. */
  readonly holder: string;
  readonly fingerprint: string;
  readonly startedAtMs: number;
  /** Resolves with `undefined` if there is no answer to repeat: the request failed, or its client disconnected. */
  readonly answer: Promise<KeptAnswer | undefined>;
  /** Absent while the answer is being made. */
  bytes?: number;
}

export interface Named {
  readonly incoming: Incoming;
  readonly userId: string;
  /** Id of the credential that made the request. */
  readonly holder: string;
  /** The key that the client sent. */
  readonly key: string;
  /** Identifies the request itself: two requests with the same value are the same request. */
  readonly fingerprint: string;
}

export interface Idempotency {
  /**
   * Returns the answer to the first request with this key; calls `work` if there was none. Throws
   * `idempotency_key_reused` if the first one was a different request, the errors of `work`, and `too_much_at_once` or
   * `overloaded` if there is no room for a long answer until it is read; the answer is kept all the same.
   */
  once(named: Named, work: () => Promise<Response>): Promise<Response>;
}

interface Kept {
  answers: number;
  bytes: number;
}

/**
 * @param deps.held The memory that a long answer takes until it is kept, and until a client has read it.
 * @param deps.now Milliseconds of a monotonic clock.
 * @param deps.maxAnswerBytes Longer answers are passed on and not kept.
 */
export function createIdempotency(deps: {
  readonly held: Allowance;
  readonly now: () => number;
  readonly maxAnswerBytes: number;
}): Idempotency {
  const { held, now } = deps;
  const maxAnswerBytes = Math.min(deps.maxAnswerBytes, BYTES_MAX / SHARE);
  // In the order in which they were begun.
  const entries = new Map<string, Entry>();
  const total: Kept = { answers: 0, bytes: 0 };
  const byHolder = new Map<string, Kept>();

  function count({ holder }: Entry, answers: number, bytes: number): void {
    const own = byHolder.get(holder) ?? { answers: 0, bytes: 0 };
    for (const kept of [total, own]) {
      kept.answers += answers;
      kept.bytes += bytes;
    }
    if (own.answers > 0) byHolder.set(holder, own);
    else byHolder.delete(holder);
  }

  function forget(name: string, entry: Entry): void {
    if (entries.get(name) !== entry) return;
    entries.delete(name);
    if (entry.bytes !== undefined) count(entry, -1, -entry.bytes);
  }

  /**
   * Removes expired answers, and the oldest ones above the limits. Answers in progress are limited by the number of
   * open requests.
   */
  function trim(): void {
    const isFull = ({ answers, bytes }: Kept, share: number) =>
      answers > ANSWERS_MAX / share || bytes > BYTES_MAX / share;
    const isAnyFull = isFull(total, 1) || [...byHolder.values()].some((own) => isFull(own, SHARE));
    for (const [name, entry] of entries) {
      const isOld = now() - entry.startedAtMs >= KEEP_MS;
      if (!isOld && !isAnyFull) return;
      const own = byHolder.get(entry.holder);
      const isTooMuch = isFull(total, 1) || (own !== undefined && isFull(own, SHARE));
      if (entry.bytes !== undefined && (isOld || isTooMuch)) forget(name, entry);
    }
  }

  async function begin(name: string, named: Named, work: () => Promise<Response>): Promise<Response> {
    const { userId, holder, fingerprint } = named;
    const { promise, resolve } = Promise.withResolvers<KeptAnswer | undefined>();
    const entry: Entry = { holder, fingerprint, startedAtMs: now(), answer: promise };
    entries.set(name, entry);
    let answer: KeptAnswer | undefined;
    try {
      const response = await work();
      if (!isKept(response)) return response;
      const { status, headers } = response;
      const body = await bodyOf(response, maxAnswerBytes, new Share(held, userId));
      if (!(body instanceof Uint8Array)) return new Response(body, { status, headers: headers.toJSON() });
      answer = { status, headers, body };
      entry.bytes = body.length;
      count(entry, 1, body.length);
      return responseOf(answer, named);
    } finally {
      if (!answer) forget(name, entry);
      resolve(answer);
      trim();
    }
  }

  function responseOf(
    { status, headers, body }: KeptAnswer,
    { userId, incoming }: Named,
    more: Record<string, string> = {},
  ): Response {
    // Before `heldBody`, which lifts the limit again while a long body is read.
    waitNoLonger(incoming.server, incoming.request);
    return new Response(heldBody(body, { held, holder: userId, incoming }), {
      status,
      headers: { ...headers.toJSON(), ...more },
    });
  }

  return {
    async once(named, work) {
      const { holder, key, fingerprint } = named;
      const name = `${holder} ${key}`;
      trim();
      for (let entry = entries.get(name); entry; entry = entries.get(name)) {
        if (entry.fingerprint !== fingerprint) throw new AppError('idempotency_key_reused');
        const answer = await entry.answer;
        if (answer) return responseOf(answer, named, { 'idempotent-replayed': 'true' });
      }
      return begin(name, named, work);
    },
  };
}

/** Keeps successful answers only: a failed request may be sent again. */
function isKept({ ok, headers }: Response): boolean {
  return ok && !isEventStream(headers);
}

/**
 * The whole body; if it is longer than `maxBytes`, or the share cannot grow, a stream of it.
 * @param share is ended when the body is whole, or when the stream has passed on what was read.
 */
async function bodyOf(
  { body }: Response,
  maxBytes: number,
  share: Share,
): Promise<Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>> {
  const reader = body?.getReader();
  const chunks: KeptBytes[] = [];
  let length = 0;
  const measure = share.measure();
  try {
    for (let isTooLong = false; !isTooLong; isTooLong = length > maxBytes || measure(length) !== undefined) {
      const { done = true, value } = (await reader?.read()) ?? {};
      if (done || !value) {
        share.end();
        return new Uint8Array(Buffer.concat(chunks));
      }
      chunks.push(kept(value));
      length += value.length;
    }
  } catch (cause) {
    share.end();
    throw new AppError('runner_lost', { cause });
  }
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (chunks.length === 0) share.end();
        const next = chunks.shift() ?? (await reader?.read())?.value;
        if (next) controller.enqueue(next);
        else controller.close();
      },
      cancel() {
        share.end();
        return reader?.cancel();
      },
    },
    { highWaterMark: 0 },
  );
}
