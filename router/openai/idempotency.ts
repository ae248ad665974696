/**
 * `Idempotency-Key`: a client that cannot know whether its request has arrived sends it again, and gets the answer to the
 * first one, also while that is still being made. For posts that are not streamed; in memory, so a restart forgets.
 */

import type { Who } from '../accounts/identify';
import { readBody } from '../accounts/sign-in-limits';
import { AppError } from '../lib/errors';
import { jsonObject } from '../lib/json';
import { isEventStream } from '../net/outgoing';
import type { OpenStreams } from '../web/open-streams';

/** What Stripe takes, whose header this is. */
const KEY_LENGTH_MAX = 255;
/** An answer is kept for an hour, longer than any client tries again. */
const KEEP_MS = 3_600_000;
const ANSWERS_MAX = 1_000;
/** Of all answers that are kept. */
const BYTES_MAX = 33_554_432;

interface KeptAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

interface Entry {
  readonly fingerprint: string;
  readonly startedAtMs: number;
  /** `undefined` when there is no answer to be had again: the request has failed, or its client has left. */
  readonly answer: Promise<KeptAnswer | undefined>;
  /** Absent while the answer is being made. */
  bytes?: number;
}

export interface Idempotency {
  /**
   * The answer to the first request of this name, which `work` makes where there is none. Throws
   * `idempotency_key_reused` when the first one was another request, and what `work` throws.
   */
  once(name: string, fingerprint: string, work: () => Promise<Response>): Promise<Response>;
}

/** @param deps.now milliseconds since the epoch. */
export function createIdempotency({ now }: { readonly now: () => number }): Idempotency {
  // In the order in which they were begun.
  const entries = new Map<string, Entry>();
  let bytes = 0;

  function forget(name: string, entry: Entry): void {
    if (entries.get(name) !== entry) return;
    entries.delete(name);
    bytes -= entry.bytes ?? 0;
  }

  /** What is still being made is bounded by the requests there are. */
  function trim(): void {
    for (const [name, entry] of entries) {
      const isOld = now() - entry.startedAtMs >= KEEP_MS;
      if (!isOld && entries.size <= ANSWERS_MAX && bytes <= BYTES_MAX) return;
      if (entry.bytes !== undefined) forget(name, entry);
    }
  }

  async function begin(name: string, fingerprint: string, work: () => Promise<Response>): Promise<Response> {
    const { promise, resolve } = Promise.withResolvers<KeptAnswer | undefined>();
    const entry: Entry = { fingerprint, startedAtMs: now(), answer: promise };
    entries.set(name, entry);
    let answer: KeptAnswer | undefined;
    try {
      const response = await work();
      if (!isKept(response)) return response;
      answer = { status: response.status, headers: response.headers, body: await bodyOf(response) };
      entry.bytes = answer.body.length;
      bytes += answer.body.length;
      return responseOf(answer);
    } finally {
      if (!answer) forget(name, entry);
      resolve(answer);
      trim();
    }
  }

  return {
    async once(name, fingerprint, work) {
      trim();
      for (let entry = entries.get(name); entry; entry = entries.get(name)) {
        if (entry.fingerprint !== fingerprint) throw new AppError('idempotency_key_reused');
        const answer = await entry.answer;
        if (answer) return responseOf(answer, { 'idempotent-replayed': 'true' });
      }
      return begin(name, fingerprint, work);
    },
  };
}

interface OnceDeps {
  readonly config: { readonly maxBodyBytes: number };
  readonly idempotency: Idempotency;
  readonly streams: OpenStreams;
}

/** Answers a post that came with an `Idempotency-Key`; one that is to be streamed as if it had none. */
export async function answerOnce(
  { config, idempotency, streams }: OnceDeps,
  { user, credentialId }: Who,
  { request, key, answer }: { readonly request: Request; readonly key: string; answer(): Promise<Response> },
): Promise<Response> {
  if (key === '' || key.length > KEY_LENGTH_MAX) {
    throw new AppError('invalid_request', { message: `An Idempotency-Key has 1 to ${KEY_LENGTH_MAX} characters.` });
  }
  // Whoever waits for another request's answer has none that would end with the credential (law 20).
  const revoked = Promise.withResolvers<never>();
  revoked.promise.catch(() => undefined);
  let isRevoked = false;
  const forget = streams.add({ userId: user.id, credentialId }, (why) => {
    isRevoked = true;
    revoked.reject(why);
  });
  // The turn of one that has waited may come when its credential is gone.
  const work = () => (isRevoked ? revoked.promise : answer());
  try {
    const bytes = await Promise.race([readBody(request.clone(), config.maxBodyBytes), revoked.promise]);
    if (jsonObject(bytes)?.stream === true) return await work();
    const once = idempotency.once(`${credentialId} ${key}`, fingerprintOf(request, bytes), work);
    return await Promise.race([once, revoked.promise]);
  } finally {
    forget();
  }
}

/** What makes two requests the same. */
function fingerprintOf({ url, headers }: Request, bytes: Uint8Array): string {
  const { pathname, search } = new URL(url);
  const hash = new Bun.CryptoHasher('sha256').update(`${pathname}${search}\n${headers.get('x-conversation-id')}\n`);
  return hash.update(bytes).digest('hex');
}

/** What went well. A failure is worth another try. */
function isKept({ ok, headers }: Response): boolean {
  return ok && !isEventStream(headers);
}

async function bodyOf(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await response.bytes();
  } catch (cause) {
    throw new AppError('runner_lost', { cause });
  }
}

function responseOf({ status, headers, body }: KeptAnswer, more: Record<string, string> = {}): Response {
  return new Response(body, { status, headers: { ...headers.toJSON(), ...more } });
}
