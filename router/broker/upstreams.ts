/** Calls to upstreams, with the credentials of that moment, and tries again where that is safe. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from '../agents/store';
import type { Backend } from '../backends/backends';
import type { CredentialsService, Upstream } from '../credentials/credentials';
import { type Abortable, signalOf } from '../lib/abort';
import { relayLog } from '../lib/log';
import type { Soon } from '../lib/lookup';
import { Recent } from '../lib/lru';
import { steadyMs } from '../lib/time';
import type { UpstreamAddresses } from '../net/address-policy';
import { bodyOf, readText } from '../net/body';
import { type OutgoingAnswer, UnreachableError } from '../net/outgoing';
import { HOPS_HEADER } from './hops';
import { listModels } from './models';
import { REFUSAL_BYTES_MAX, unreachable } from './refusals';
import type { UpstreamBody } from './request';
import { readOutcome, retryDelayMs } from './retries';
import { isOk, upstreamSender } from './send';

const TRIES_MAX = 3;
/**
 * A try may begin until this long after the first one: a runner waits for this rather than for its own, longer back-off,
 * and the client behind it has not been given a status by then (`WARM_PATIENCE_MS` of `/v1`). Later tries are theirs.
 */
const TRIES_MS = 3_000;
/**
 * After an upstream has refused all tries of a call, calls are tried once only, for this long or until one succeeds:
 * runners and clients try again too, and their tries times ours would be a dozen.
 */
const TIRED_MS = 30_000;
/** Statuses with which an API says that it does not know a member of the body. */
const UNKNOWN_MEMBER = new Set([400, 422]);
const USAGE_MEMBER = /stream_options|include_usage/;
const utf8 = new TextEncoder();
const UPSTREAMS_MAX = 1_000;

export interface UpstreamRequest {
  /** Whose runner calls. */
  readonly agent: Pick<Agent, 'userId' | 'model'>;
  readonly backend: Backend;
  /** Below `/v1/`. */
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: UpstreamBody;
  /** Number of routers that the request behind the call has come through. */
  readonly hops: number;
  /** Aborts when the runner has left. */
  readonly signal: Abortable;
  /** Called before each try with the upstream that it uses. What it throws ends the call. */
  allow(upstream: Upstream): Soon<void>;
}

export interface UpstreamAnswer {
  readonly upstream: Upstream;
  readonly response: OutgoingAnswer;
  /** Whether the stream reports its usage only because the broker has asked for it. */
  readonly addedUsage: boolean;
}

export type UpstreamsService = ReturnType<typeof upstreamsService>;

export function upstreamsService(deps: { credentials: CredentialsService; addresses: UpstreamAddresses }) {
  const { credentials, addresses } = deps;
  const send = upstreamSender(addresses);
  /** Base URL and model → whether it accepts `stream_options`. Behind a gateway, each model is a separate server. */
  const knowsUsage = new Recent<string, boolean>(UPSTREAMS_MAX);
  /** User and base URL → time of the last refusal of all tries, on the clock of `steadyMs()`. */
  const tiredSinceMs = new Recent<string, number>(UPSTREAMS_MAX);

  /**
   * One try. Adds the request for usage to a stream that lacks it, and sends the body without it to an upstream that
   * refuses it, so that a runner need not know which upstreams do.
   */
  async function callOnce(upstream: Upstream, request: UpstreamRequest): Promise<UpstreamAnswer> {
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
    // An upstream that took the member before still takes it, unless the refusal names it.
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
        // Waits only for what is not there yet, as nearly all is (lib/lookup.ts).
        const finding = credentials.upstreamOf(request.agent, request.backend);
        const upstream = finding instanceof Promise ? await finding : finding;
        const allowing = request.allow(upstream);
        if (allowing) await allowing;
        const answer = await callOnce(upstream, request).catch((error: unknown) => {
          if (error instanceof UnreachableError) return error;
          throw error;
        });
        const reading = readOutcome(answer);
        const { outcome, isLasting } = reading instanceof Promise ? await reading : reading;
        const name = `${request.agent.userId} ${upstream.baseUrl}`;
        const nowMs = steadyMs();
        const waitMs = isLasting ? undefined : retryDelayMs(outcome, tryNumber);
        const isTired = nowMs - (tiredSinceMs.get(name) ?? Number.NEGATIVE_INFINITY) < TIRED_MS;
        const isLast = isTired || tryNumber === TRIES_MAX || nowMs - firstMs + (waitMs ?? 0) >= TRIES_MS;
        if (waitMs === undefined) tiredSinceMs.delete(name);
        // Not after one try: an upstream that wants a longer wait was not tried again yet.
        else if (isLast && tryNumber > 1) tiredSinceMs.set(name, nowMs);
        if (waitMs === undefined || isLast) {
          if (outcome instanceof UnreachableError) throw unreachable(outcome);
          return outcome;
        }
        if (!(outcome instanceof UnreachableError)) outcome.response.body.cancel();
        relayLog.info({ path: request.path, tryNumber, waitMs: Math.round(waitMs) }, 'upstream.retried');
        await delay(waitMs, undefined, { signal: signalOf(request.signal) });
      }
    },

    listModels: (upstream: Pick<Upstream, 'baseUrl' | 'apiKey'>, signal: AbortSignal) =>
      listModels(send, upstream, signal),
  };
}
