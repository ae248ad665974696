/** A short question of the router's own to a user's upstream: limited, counted in usage, and cut when it is answered at length. */
import { createParser } from 'eventsource-parser';
import type { Agent } from '../agents/store';
import type { Backend } from '../backends/backends';
import { contentText, saidIn } from '../backends/said';
import type { ChatMessage } from '../backends/shape';
import { jsonObject } from '../lib/json';
import { relayLog } from '../lib/log';
import { safely } from '../lib/safely';
import type { Body } from '../net/body';
import type { Ending } from '../relay/relay';
import { isEventStream } from '../web/answers/headers';
import { CallUse } from './call-use';
import type { BrokerDeps } from './deps';
import { UPSTREAM_PATHS, UpstreamBody } from './request';
import { isOk } from './send';

const PATH = 'chat/completions';
const TEXT = UPSTREAM_PATHS.get(PATH);
/**
 * Bytes of the events that are read, about a thousand tokens. There is no limit in the request: some APIs refuse
 * `max_tokens`, others its successor.
 */
const EVENTS_BYTES_MAX = 262_144;
const utf8 = new TextEncoder();

interface Question {
  readonly agent: Agent;
  readonly backend: Backend;
  readonly messages: readonly ChatMessage[];
  /** Characters of the answer after which no more is read. */
  readonly lengthMax: number;
  readonly signal: AbortSignal;
}

export type Ask = ReturnType<typeof createAsk>;

/**
 * @returns the beginning of the model's answer, or `undefined` when it refuses. Throws what the limits and the upstream
 * throw, and the signal's reason.
 */
export function createAsk(deps: Pick<BrokerDeps, 'limits' | 'metering' | 'metrics' | 'upstreams'>) {
  return async ({ agent, backend, messages, lengthMax, signal }: Question): Promise<string | undefined> => {
    if (!TEXT) return undefined;
    const bytes = utf8.encode(JSON.stringify({ messages, stream: true }));
    const body = new UpstreamBody(PATH, bytes, 'application/json');
    const use = new CallUse(deps, { agent, work: undefined, keyIds: [] }, { path: PATH, allowed: TEXT, body });
    const beganMs = performance.now();
    const elapsedMs = () => performance.now() - beganMs;
    let upstreamStatus: number | undefined;
    let firstByteMs: number | undefined;
    let ending: Ending = 'failed';
    try {
      const { response } = await deps.upstreams.call({
        ...{ agent, backend, path: PATH, method: TEXT.method, body, hops: 0, signal },
        headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
        allow: (upstream) => use.admit(upstream, signal),
      });
      upstreamStatus = response.status;
      firstByteMs = elapsedMs();
      const said = new Said(isEventStream(response.headers), lengthMax);
      await readUntil(response.body, signal, (chunk) => {
        use.see(chunk);
        return said.push(chunk);
      });
      said.end();
      ending = said.isFull ? 'stopped' : 'done';
      return isOk(response) ? said.text : undefined;
    } finally {
      const status = upstreamStatus ?? 0;
      const ended = { ending, status, upstreamStatus, firstByteMs, totalMs: elapsedMs() };
      relayLog.info({ agent: agent.id, path: PATH, status, ending }, 'upstream.asked');
      safely('metrics', { agent: agent.id }, () => deps.metrics.upstreamCalled(agent.backend, ended));
      use.end(ended);
    }
  };
}

/** The first line of an event stream. Some APIs send one under another content type, such as text/plain. */
const EVENT_LINE = /^(?:data|event|id|retry)?:/;

/** The text of an answer: from the events of a stream, or from one body of an API that does not stream. */
class Said {
  text = '';
  readonly #decoder = new TextDecoder();
  readonly #parser = createParser({ onEvent: ({ data }) => this.#read(data) });
  #isStream: boolean;
  #whole = '';
  #bytes = 0;

  constructor(
    isStream: boolean,
    readonly lengthMax: number,
  ) {
    this.#isStream = isStream;
  }

  get isFull(): boolean {
    return this.text.length >= this.lengthMax || this.#bytes >= EVENTS_BYTES_MAX;
  }

  /** @returns whether more is wanted. */
  push(chunk: Uint8Array): boolean {
    this.#bytes += chunk.length;
    const text = this.#decoder.decode(chunk, { stream: true });
    if (this.#isStream) this.#parser.feed(text);
    else this.#begin(text);
    return !this.isFull;
  }

  /** Collects one body, until its beginning shows that it is a stream. */
  #begin(text: string): void {
    this.#whole += text;
    this.#isStream = EVENT_LINE.test(this.#whole);
    if (this.#isStream) this.#parser.feed(this.#whole);
  }

  /** The last event of a stream counts although no empty line follows it. */
  end(): void {
    if (this.#isStream) this.#parser.feed('\n\n');
    else this.#read(this.#whole);
  }

  #read(json: string): void {
    this.text += contentText(saidIn(jsonObject(json) ?? {})?.content);
  }
}

/** Reads a body until its end, or until `see` wants no more. Throws the signal's reason, and when the body breaks off. */
function readUntil(body: Body, signal: AbortSignal, see: (chunk: Uint8Array) => boolean): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = () => {
    body.cancel();
    reject(signal.reason);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  body.read({
    chunk(bytes) {
      if (see(bytes)) return;
      body.cancel();
      resolve();
    },
    end: resolve,
    lost: reject,
  });
  return promise.finally(() => signal.removeEventListener('abort', onAbort));
}
