/** The limits of one call of a runner, its usage, and its row of usage. */
import type { Upstream } from '../credentials/credentials';
import type { Abortable } from '../lib/abort';
import { type Soon, whenThere } from '../lib/lookup';
import { safely } from '../lib/safely';
import type { EndedAnswer } from '../metrics/counters';
import type { Ending } from '../relay/relay';
import type { HeldRunner } from '../runners/slots/slot';
import { NO_TOKENS } from '../usage/tokens';
import { AnswerTail, tokensOfAnswer } from './answer-usage';
import type { BrokerDeps } from './deps';
import type { UpstreamBody, UpstreamPath } from './request';

/** The usage of a call whose answer could not be read. */
const UNKNOWN = { tokens: NO_TOKENS, calls: 1, isEstimated: true };

/** A call that a runner, or the router itself, makes to an upstream. */
interface AllowedCall {
  /** Below `/v1/`, one of `UPSTREAM_PATHS`. */
  readonly path: string;
  readonly allowed: UpstreamPath;
  readonly body: UpstreamBody;
}

/** How a call has ended. */
interface Ended extends EndedAnswer {
  /** The status that the runner got. */
  readonly status: number;
  /** The upstream's own status; undefined when it has not answered. */
  readonly upstreamStatus: number | undefined;
}

/** One call, from its admission by the limits to its row of usage. */
export class CallUse {
  readonly #tail = new AnswerTail();
  /** The upstream of the last try. Undefined before the first try, when nothing has been used. */
  #upstream: Upstream | undefined;
  /** Releases what the limits have reserved for this call. */
  #settle: (() => void) | undefined;

  constructor(
    readonly deps: Pick<BrokerDeps, 'limits' | 'metering'>,
    readonly held: Pick<HeldRunner, 'agent' | 'work' | 'keyIds'>,
    readonly call: AllowedCall,
  ) {}

  /**
   * Checks the limits before each try, because the next try may use another model or another key. A `GET` is free:
   * runners list the models when they start. Throws the error of the limit, or the signal's reason.
   */
  admit(upstream: Upstream, signal: Abortable): Soon<void> {
    const earlier = this.#upstream;
    const isSame = earlier?.model === upstream.model && earlier.source === upstream.source;
    const { allowed, body, path } = this.call;
    if (allowed.method !== 'POST' || isSame) {
      this.#upstream = upstream;
      return;
    }
    this.#settle?.();
    this.#settle = undefined;
    const { isBackground } = body;
    const call = {
      ...{ userId: this.held.agent.userId, keyIds: this.held.keyIds, path, isBackground },
      ...{ isCountable: allowed.isCountable, model: body.modelAt(upstream.model), source: upstream.source },
      most: () => ({ tokens: body.mostTokens(), calls: body.calls }),
    };
    return whenThere(this.deps.limits.admit(call, signal), (settle) => {
      this.#settle = settle;
      this.#upstream = upstream;
    });
  }

  /** Called with the bytes of the upstream's answer as they pass. */
  see(bytes: Uint8Array): void {
    this.#tail.push(bytes);
  }

  /**
   * Whether the answer has reported its usage. A stream of `responses` does so in its last event, and has no `[DONE]`.
   */
  get isWhole(): boolean {
    return this.call.path === 'responses' && this.#tail.tokens() !== undefined;
  }

  /** Writes the row of usage and releases what the limits have reserved. */
  end(ended: Ended): void {
    const upstream = this.#upstream;
    if (upstream) safely('metering', { agent: this.held.agent.id }, () => this.#record(ended, upstream));
    // Released after the row is written, so that the call is always counted, either as reserved or as used.
    this.#settle?.();
  }

  #record({ ending, status, upstreamStatus, firstByteMs, totalMs }: Ended, upstream: Upstream): void {
    const { agent, work, keyIds } = this.held;
    const { body, path } = this.call;
    // The call was made, so it gets a row even if its answer cannot be read.
    const used = safely('tokens', { agent: agent.id }, () => this.#used(ending, upstreamStatus)) ?? UNKNOWN;
    const { tokens, calls, isEstimated } = used;
    this.deps.metering.record({
      ...{ userId: agent.userId, agentId: agent.id, backend: agent.backend, path },
      ...{ keyIds, conversationId: work?.conversationId },
      ...{ model: body.modelAt(upstream.model), source: upstream.source },
      ...{ tokens, calls, estimated: isEstimated, status, ending, firstByteMs, totalMs },
    });
  }

  #used(ending: Ending, upstreamStatus: number | undefined) {
    const { allowed, body } = this.call;
    // A refusal uses no tokens. If the runner disconnects before the answer begins, the upstream has already read the
    // prompt.
    const isRefused = upstreamStatus === undefined ? ending !== 'stopped' : upstreamStatus >= 400;
    if (isRefused || allowed.method === 'GET') return { tokens: NO_TOKENS, calls: 0, isEstimated: false };
    const guess = { prompt: () => body.promptTokens(), isText: allowed.isText };
    return { ...tokensOfAnswer(this.#tail, guess), calls: body.calls };
  }
}
