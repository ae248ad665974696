/** Calls upstreams, with current credentials and a checked address, and retries if that is safe. */
import { setTimeout as delay } from 'node:timers/promises';
import { readRefusal } from '../../backends/shared/upstream-errors';
import type { Backend } from '../backends/backends';
import type { CredentialsService, Upstream } from '../credentials/credentials';
import { AppError, isLastingRefusal } from '../lib/errors';
import { isJsonObject, jsonObject } from '../lib/json';
import { relayLog } from '../lib/log';
import { Recent } from '../lib/lru';
import { steadyMs } from '../lib/time';
import type { UpstreamAddresses } from '../net/address-policy';
import { addressBelow } from '../net/addresses';
import { bodyOf, readText } from '../net/body';
import { CONNECT_MS, CONNECT_TIMEOUT, ConnectTimeoutError } from '../net/connect-timeout';
import { type AnswerHeaders, type Outgoing, type OutgoingAnswer, open, UnreachableError } from '../net/outgoing';
import { refusalIn } from '../runners/call';
import { addressHint } from './address-hint';
import { HOPS_HEADER } from './hops';
import type { UpstreamBody } from './request';

const TRIES_MAX = 3;
/**
 * A retry must begin within this time after the first try. A runner prefers this wait to its own, longer back-off, and
 * the client has no status yet (`WARM_PATIENCE_MS` of `/v1`). Clients decide about further retries.
 */
const TRIES_MS = 3_000;
/**
 * After an upstream has refused all tries, it is called only once per request for this time, or until it answers.
 * Clients behind the broker retry too, and both together would make a dozen calls.
 */
const TIRED_MS = 30_000;
const BACK_OFF_MS = 400;
/** Statuses that say that nothing was done, or that a proxy could not reach the API. */
const RETRIED = new Set([429, 502, 503]);
/** How APIs refuse an unknown member of the body. */
const UNKNOWN_MEMBER = new Set([400, 422]);
const USAGE_MEMBER = /stream_options|include_usage/;
const utf8 = new TextEncoder();
const UPSTREAMS_MAX = 1_000;
const REFUSAL_BYTES_MAX = 16_384;
const WORDS_LENGTH_MAX = 300;
/** The longest known list, of a reseller of all models, has about 1 MB. */
const MODELS_BYTES_MAX = 8_388_608;
const MODELS_MS = 15_000;

export interface UpstreamRequest {
  readonly userId: string;
  readonly backend: Backend;
  /** Below `/v1/`. */
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: UpstreamBody;
  /** Number of routers that the request has passed. */
  readonly hops: number;
  /** Aborts when the runner disconnects. */
  readonly signal: AbortSignal;
  /** Called with the owner of the credentials before each try. An error that it throws ends the call. */
  allow(upstream: Upstream): Promise<void>;
}

export interface UpstreamAnswer {
  readonly upstream: Upstream;
  readonly response: OutgoingAnswer;
  /** Whether the stream reports usage only because the broker asked for it. */
  readonly addedUsage: boolean;
}

export type UpstreamsService = ReturnType<typeof upstreamsService>;

export function upstreamsService(deps: { credentials: CredentialsService; addresses: UpstreamAddresses }) {
  const { credentials, addresses } = deps;
  /** Base URL and model → whether it accepts `stream_options`. Behind a gateway, each model is a separate server. */
  const knowsUsage = new Recent<string, boolean>(UPSTREAMS_MAX);
  /** User and base URL → time of the last refusal of all tries, on the clock of `steadyMs()`. */
  const tiredSinceMs = new Recent<string, number>(UPSTREAMS_MAX);

  /** Sends one request, to the first address that accepts a connection. Throws `UnreachableError`. */
  async function send(
    { baseUrl, apiKey }: Pick<Upstream, 'baseUrl' | 'apiKey'>,
    path: string,
    rest: Omit<Outgoing, 'url' | 'address'>,
  ): Promise<OutgoingAnswer> {
    const allowed = await addresses.of(baseUrl);
    const proxy = addresses.proxyOf(baseUrl);
    const [first, ...others] = proxy === undefined ? allowed : [];
    const outgoing = {
      ...rest,
      url: addressBelow(baseUrl, path),
      proxy,
      headers: { ...rest.headers, authorization: `Bearer ${apiKey}` },
    };
    const at = (address: string | undefined) => open({ ...outgoing, ...(address !== undefined && { address }) });
    let answer = at(first);
    for (const address of others) {
      answer = answer.catch((error: unknown) => {
        if (error instanceof UnreachableError && !error.mayHaveArrived) return at(address);
        throw error;
      });
    }
    const response = await answer.catch((error: unknown) => {
      if (error instanceof UnreachableError) addresses.forget(baseUrl);
      throw error;
    });
    if (response.status < 300 || response.status > 399) return response;
    response.body.cancel();
    // A redirect is not followed: it would send the key to another address.
    throw new AppError('upstream_unreachable', {
      message: 'LLM_BASE_URL answers with a redirect. Set the address it redirects to.',
    });
  }

  /**
   * Asks for a stream's usage. If the upstream refuses that, sends the request without it, also if the runner itself
   * asked for usage: runners need not know which upstreams accept it.
   */
  async function ask(upstream: Upstream, request: UpstreamRequest): Promise<UpstreamAnswer> {
    const { path, method, body, signal } = request;
    const headers = { ...request.headers, [HOPS_HEADER]: String(request.hops + 1) };
    const sendWith = (usage?: 'add' | 'omit') => {
      const bytes = body.for(upstream.model, usage);
      return send(upstream, path, { method, headers, signal, ...(bytes.length > 0 && { body: bytes }) });
    };
    if (!body.usage) return { upstream, response: await sendWith(), addedUsage: false };
    const place = `${upstream.baseUrl} ${upstream.model}`;
    const isKnown = knowsUsage.get(place);
    if (isKnown === false) return { upstream, response: await sendWith('omit'), addedUsage: false };
    const addedUsage = body.usage === 'lacking';
    const response = await sendWith(addedUsage ? 'add' : undefined);
    if (isOk(response)) knowsUsage.set(place, true);
    if (!UNKNOWN_MEMBER.has(response.status)) return { upstream, response, addedUsage };
    const text = await readText(response.body, REFUSAL_BYTES_MAX);
    // An upstream that accepted it before still does, unless it refuses now.
    if (isKnown && !USAGE_MEMBER.test(text)) {
      return { upstream, response: { ...response, body: bodyOf(utf8.encode(text)) }, addedUsage };
    }
    const plain = await sendWith('omit');
    if (isOk(plain)) knowsUsage.set(place, false);
    return { upstream, response: plain, addedUsage: false };
  }

  return {
    /**
     * Calls the upstream of a user and backend. Resolves the credentials again for each try (law 16). Throws errors of
     * missing or forbidden credentials, the errors of `allow`, `upstream_unreachable`, or the signal's reason.
     */
    async call(request: UpstreamRequest): Promise<UpstreamAnswer> {
      const firstMs = steadyMs();
      for (let tryNumber = 1; ; tryNumber += 1) {
        const upstream = await credentials.upstreamOf(request.userId, request.backend);
        await request.allow(upstream);
        const answer = await ask(upstream, request).catch((error: unknown) => {
          if (error instanceof UnreachableError) return error;
          throw error;
        });
        const { outcome, isLasting } = await read(answer);
        const name = `${request.userId} ${upstream.baseUrl}`;
        const nowMs = steadyMs();
        const waitMs = isLasting ? undefined : retryDelayMs(outcome, tryNumber);
        const isTired = nowMs - (tiredSinceMs.get(name) ?? Number.NEGATIVE_INFINITY) < TIRED_MS;
        const isLast = isTired || tryNumber === TRIES_MAX || nowMs - firstMs + (waitMs ?? 0) >= TRIES_MS;
        if (waitMs === undefined) tiredSinceMs.delete(name);
        // If the upstream asked for a longer wait, there was no retry yet.
        else if (isLast && tryNumber > 1) tiredSinceMs.set(name, nowMs);
        if (waitMs === undefined || isLast) {
          if (outcome instanceof UnreachableError) throw unreachable(outcome);
          return outcome;
        }
        if (!(outcome instanceof UnreachableError)) outcome.response.body.cancel();
        relayLog.info({ path: request.path, tryNumber, waitMs: Math.round(waitMs) }, 'upstream.retried');
        await delay(waitMs, undefined, { signal: request.signal });
      }
    },

    /**
     * Returns the ids of an upstream's models, in its order. Throws an `AppError` whose message is for the person who
     * has set the upstream: forbidden address, no connection, refused key, no such API.
     */
    async listModels(upstream: Pick<Upstream, 'baseUrl' | 'apiKey'>, signal: AbortSignal): Promise<readonly string[]> {
      const late = AbortSignal.timeout(MODELS_MS);
      const headers = { accept: 'application/json' };
      try {
        const either = AbortSignal.any([signal, late]);
        const response = await send(upstream, 'models', { method: 'GET', headers, signal: either });
        if (!isOk(response)) throw await refusalOf(response, upstream);
        return modelsOf(await readText(response.body, MODELS_BYTES_MAX), upstream.baseUrl);
      } catch (error) {
        if (error instanceof AppError || signal.aborted) throw error;
        if (!late.aborted) throw unreachable(error);
        const message = `LLM_BASE_URL did not answer within ${MODELS_MS / 1000} seconds.`;
        throw new AppError('upstream_unreachable', { message, cause: error });
      }
    },
  };
}

function isOk({ status }: OutgoingAnswer): boolean {
  return status >= 200 && status < 300;
}

/** Why no connection was made, as far as the person who set the address can fix it. */
function unreachable(cause: unknown): AppError {
  const reason = cause instanceof UnreachableError ? cause.cause : cause;
  const code = reason instanceof Error && 'code' in reason ? String(reason.code) : '';
  const silent = `LLM_BASE_URL does not answer: there was no connection within ${CONNECT_MS / 1000} s. Check its host and port.`;
  const certificate = `The LLM API could not be reached: the certificate at LLM_BASE_URL is not valid (${code}).`;
  const message = code === CONNECT_TIMEOUT ? silent : /CERT|TLS|SSL|SIGNATURE/.test(code) ? certificate : undefined;
  return new AppError('upstream_unreachable', { cause, ...(message !== undefined && { message }) });
}

/**
 * A refusal that may be temporary by its status. `isLasting` if its text says otherwise: an exhausted quota also has
 * 429.
 */
async function read(answer: UpstreamAnswer | UnreachableError) {
  if (answer instanceof UnreachableError || !RETRIED.has(answer.response.status)) {
    return { outcome: answer, isLasting: false };
  }
  const { status, headers, body } = answer.response;
  const text = await readText(body, REFUSAL_BYTES_MAX);
  const isLasting = headers.get('x-should-retry') === 'false' || isLastingRefusal(refusalIn(status, text));
  const response = { status, headers, body: bodyOf(new TextEncoder().encode(text)) };
  return { outcome: { ...answer, response }, isLasting };
}

/** Milliseconds to wait before a retry; `undefined` if there must be no retry. */
function retryDelayMs(outcome: UpstreamAnswer | UnreachableError, tryNumber: number): number | undefined {
  // Jittered, so that clients which failed together do not retry together.
  const backOffMs = BACK_OFF_MS * 2 ** (tryNumber - 1) * (0.5 + Math.random() / 2);
  if (outcome instanceof UnreachableError) {
    // The upstream was silent for the whole time limit, so it is not called again.
    const isSilent = outcome.cause instanceof ConnectTimeoutError;
    return outcome.mayHaveArrived || isSilent ? undefined : backOffMs;
  }
  const { status, headers } = outcome.response;
  if (!RETRIED.has(status)) return undefined;
  const waitMs = retryAfterMs(headers);
  return waitMs === undefined ? backOffMs : Math.max(waitMs, backOffMs);
}

/** Retry-After is a number of seconds or a date: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3 */
function retryAfterMs(headers: AnswerHeaders): number | undefined {
  const text = headers.get('retry-after');
  if (text === null) return undefined;
  const ms = /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

/** Explains a refusal of the upstream to the person who has set it. Reads the body. */
async function refusalOf(
  response: OutgoingAnswer,
  { baseUrl, apiKey }: Pick<Upstream, 'baseUrl' | 'apiKey'>,
): Promise<AppError> {
  const { status } = response;
  const words = readRefusal(await refusalText(response, apiKey))?.message.slice(0, WORDS_LENGTH_MAX);
  const said = words === undefined ? `It answered ${status}.` : `It says: ${words}`;
  if (status === 401 || status === 403) {
    const message = `The LLM API refused the credentials in Settings: check LLM_API_KEY. ${said}`;
    return new AppError('upstream_credentials_refused', { message });
  }
  const what = 'LLM_BASE_URL does not answer as an OpenAI-compatible API does.';
  return new AppError('upstream_unreachable', { message: `${what} ${completeness(baseUrl)} ${said}` });
}

/** Returns the body of a refusal, or its beginning, without the key. */
export async function refusalText(response: OutgoingAnswer, apiKey: string): Promise<string> {
  return (await readText(response.body, REFUSAL_BYTES_MAX)).replaceAll(apiKey, '[key]');
}

function modelsOf(text: string, baseUrl: string): readonly string[] {
  const { data } = jsonObject(text) ?? {};
  if (Array.isArray(data)) return data.map((one: unknown) => isJsonObject(one) && one.id).filter(isText);
  const what = 'What answers at LLM_BASE_URL is no OpenAI-compatible API.';
  throw new AppError('upstream_unreachable', { message: `${what} ${completeness(baseUrl)}` });
}

function completeness(baseUrl: string): string {
  const hint = addressHint(baseUrl);
  return `Is it complete, such as https://api.openai.com/v1?${hint === undefined ? '' : ` ${hint}`}`;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
