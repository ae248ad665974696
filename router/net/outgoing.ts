/** Requests that the router makes, and what may cross it in either direction. Nothing else makes any (law 22). */
import { isIP, isIPv6 } from 'node:net';
import { type Body, streamBody, streamOf } from './body';
import { ask } from './http1/connection';
import type { WireRequest } from './http1/request';

/** What may go on to a runner or an upstream (law 12). Everything else a client sends stays here. */
const REQUEST_HEADERS = ['accept', 'content-type', 'openai-beta'];
/** What may come back. Not set-cookie, not framing, not content-encoding: the body is decoded by then. */
const RESPONSE_HEADERS = ['content-type', 'retry-after', 'x-should-retry', 'openai-processing-ms', 'openai-version'];
/** A runner's answer never becomes a page of ours: anything else is served as plain bytes. */
const CONTENT_TYPE =
  /^(application\/(json|problem\+json|octet-stream|x-ndjson)|text\/(event-stream|plain)|audio\/|image\/(png|jpeg|webp|gif))/i;
/** How the system says that there was no connection, so that nothing of the request has left. */
const NOT_CONNECTED = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN']);
/** The largest that HTTP has a meaning for, and a response of ours may have. */
const STATUS_MAX = 599;

/** Content codings that a server may use although it was asked for none. */
const COMPRESSIONS: Readonly<Record<string, string>> = {
  ...{ gzip: 'gzip', 'x-gzip': 'gzip', deflate: 'deflate' },
  ...{ br: 'brotli', zstd: 'zstd' },
};

const SHORT_BYTES_MAX = 65_536;

export interface Outgoing extends Omit<WireRequest, 'url'> {
  readonly url: string;
}

/** The headers of an answer; names in lower case. */
export interface AnswerHeaders {
  get(name: string): string | null;
}

/** What somebody answered. `body` is to be read or cancelled. */
export interface OutgoingAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: Body;
}

/** Nobody gave an answer. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
  constructor(
    message: string,
    /** Whether the request may have arrived and been acted upon: then it must not be sent again. */
    readonly mayHaveArrived: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * Sends a request and resolves with the answer's head. Never follows a redirect, and waits as long as the agent works: its
 * clocks are the caller's signal. Throws `UnreachableError`, or the signal's reason.
 */
export async function open(outgoing: Outgoing): Promise<OutgoingAnswer> {
  const { method, headers, body, signal, address, peer } = outgoing;
  const url = new URL(outgoing.url);
  const asked = { url, address, peer, method, headers, body, signal };
  let answer: OutgoingAnswer;
  try {
    answer = url.protocol === 'http:' ? decoded(await ask(asked), method) : await askTls(asked);
  } catch (error) {
    signal.throwIfAborted();
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    // Without a word of the system's it is a request that cannot be sent.
    const isRefusedHere = error instanceof TypeError && code === '';
    const mayHaveArrived = !isRefusedHere && !NOT_CONNECTED.has(code);
    throw new UnreachableError('The connection failed before an answer', mayHaveArrived, { cause: error });
  }
  if (answer.status <= STATUS_MAX) return answer;
  answer.body.cancel();
  throw new UnreachableError(`The answer had the status ${answer.status}`, true);
}

/** An answer that was compressed against our wish, as it was before. */
function decoded(answer: OutgoingAnswer, method: string): OutgoingAnswer {
  const coding = answer.headers.get('content-encoding');
  const format = coding === null ? undefined : COMPRESSIONS[coding.toLowerCase()];
  if (format === undefined || isEmpty(answer, method)) return answer;
  const body = streamBody(streamOf(answer.body).pipeThrough(new DecompressionStream(format as CompressionFormat)));
  // Its length is that of what was compressed.
  const get = (name: string) => (name === 'content-length' ? null : answer.headers.get(name));
  return { status: answer.status, headers: { get }, body };
}

/** Whether there is no body, which is not even the compressed form of an empty one. */
function isEmpty({ status, headers }: OutgoingAnswer, method: string): boolean {
  return method === 'HEAD' || status === 204 || status === 304 || headers.get('content-length') === '0';
}

/**
 * A request over TLS. To an `address` Bun looks no name up, names the host in `Host` and to TLS, checks the certificate for
 * that name, and shares no connection between names (tried on 1.4.5; a test holds it).
 */
async function askTls({ url, address, method, headers, body, signal }: WireRequest): Promise<OutgoingAnswer> {
  const to = new URL(url);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isPinned = address !== undefined && isIP(host) === 0;
  if (isPinned) to.hostname = isIPv6(address) ? `[${address}]` : address;
  const response = await fetch(to, {
    method,
    headers: { ...headers, 'accept-encoding': 'identity', ...(isPinned && { host: url.host }) },
    ...(isPinned && { tls: { serverName: host } }),
    ...(body !== undefined && { body }),
    signal,
    redirect: 'manual',
    // Bun's own limit of five idle minutes is shorter than a tool may run.
    timeout: false,
  } as RequestInit);
  return { status: response.status, headers: response.headers, body: streamBody(response.body) };
}

/** Asks for a path and forgets the body: the status, or why there is none. */
export async function probe(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<number | string> {
  try {
    const response = await fetch(url, { headers, signal, redirect: 'manual' });
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    return error instanceof Error ? (error.name === 'TimeoutError' ? 'no answer' : 'not listening') : String(error);
  }
}

/** The headers of a client's request that go on. */
export function requestHeaders(headers: Headers): Record<string, string> {
  return pick(headers, REQUEST_HEADERS, {});
}

/** The headers of a response that come back. */
export function responseHeaders(headers: AnswerHeaders): Record<string, string> {
  const kept = pick(headers, RESPONSE_HEADERS, { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
  const type = kept['content-type'];
  if (type !== undefined && !CONTENT_TYPE.test(type)) kept['content-type'] = 'application/octet-stream';
  return kept;
}

function pick(headers: AnswerHeaders, names: readonly string[], into: Record<string, string>): Record<string, string> {
  for (const name of names) {
    const value = headers.get(name);
    if (value !== null) into[name] = value;
  }
  return into;
}

export function isEventStream(headers: AnswerHeaders): boolean {
  return (headers.get('content-type') ?? '').toLowerCase().startsWith('text/event-stream');
}

/** Whether a body is so short that it need not be streamed. One without a length is not, nor one whose chunks belie it. */
export function isShort(headers: AnswerHeaders): boolean {
  if (headers.get('transfer-encoding') !== null) return false;
  return Number(headers.get('content-length') ?? Number.POSITIVE_INFINITY) <= SHORT_BYTES_MAX;
}
