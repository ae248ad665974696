/**
 * Requests that the router makes, and the headers and bodies that may cross it in either direction. No other code makes
 * requests (law 22).
 */

import { isIP, isIPv6 } from 'node:net';
import { type Abortable, signalOf } from '../lib/abort';
import { Recent } from '../lib/lru';
import { codeOf } from '../lib/system-errors';
import { type Body, streamBody, streamOf } from './body';
import { CONNECT_MS, CONNECT_TIMEOUT, ConnectTimeoutError, NotConnectedError } from './connect-timeout';
import { MalformedError } from './http1/head';
import type { WireRequest } from './http1/request';
import { send } from './http1/send';
import { inTurns } from './mapped-body';
import { type UrlParts, urlParts } from './url-parts';

/** Headers that are passed on to a runner or an upstream (law 12). All other headers of a client stay here. */
const REQUEST_HEADERS = ['accept', 'content-type', 'openai-beta'];
/** Error codes of `fetch`, and of `greet` before it, that mean that there was no connection. */
const NOT_CONNECTED = new Set([
  CONNECT_TIMEOUT,
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** The largest status that HTTP defines (RFC 9110, 15) and that a `Response` may have. */
const STATUS_MAX = 599;

/** Content codings that some servers use although the request asked for none. */
const COMPRESSIONS: Readonly<Record<string, string>> = {
  ...{ gzip: 'gzip', 'x-gzip': 'gzip', deflate: 'deflate' },
  ...{ br: 'brotli', zstd: 'zstd' },
};

const SHORT_BYTES_MAX = 65_536;
/**
 * Stops `fetch` from using the environment's proxies: when `proxy` is left out, empty or null, Bun uses HTTP_PROXY
 * (tried on 1.4.5; a test holds it).
 */
const NO_PROXY = false;

export interface Outgoing extends Omit<WireRequest, 'url'> {
  /** The text of a user's URL is not kept (`urlParts`); the parts of one may be known already. */
  readonly url: string | UrlParts;
  /**
   * URL of the HTTP proxy that makes the connection, instead of a connection to `address`. Absent: no proxy, whatever
   * the environment says.
   */
  readonly proxy?: string | undefined;
}

/** The headers of an answer; names in lower case. */
export interface AnswerHeaders {
  get(name: string): string | null;
}

/** The answer of a runner or upstream. Read or cancel its `body`. */
export interface OutgoingAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: Body;
}

/** The request got no answer. */
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

  /** Whether there was an answer, which is not HTTP or longer than a head may be. */
  get isMalformed(): boolean {
    return this.cause instanceof MalformedError;
  }
}

/**
 * Sends a request and resolves with the head of the answer. Never follows a redirect and has no time limit of its own
 * for the answer: the caller's signal sets it. Throws `UnreachableError`, or the signal's reason.
 */
export async function open(outgoing: Outgoing): Promise<OutgoingAnswer> {
  const { method, headers, body, signal, address, peer, proxy, connectMs, url: to } = outgoing;
  // Without a runner the address is a user's, and a token may be in its path.
  const url = typeof to !== 'string' ? to : peer === undefined ? new URL(to) : urlParts(to);
  const request = { url, address, peer, method, headers, body, signal, connectMs };
  const isPlain = url.protocol === 'http:' && proxy === undefined;
  let answer: OutgoingAnswer;
  try {
    answer = isPlain ? decoded(await send(request), method) : await sendByFetch(request, proxy);
  } catch (error) {
    signal.throwIfAborted();
    const isSent = !(error instanceof NotConnectedError) && (isPlain || !NOT_CONNECTED.has(codeOf(error)));
    const cause = error instanceof NotConnectedError ? error.cause : error;
    throw new UnreachableError('The connection failed before an answer', isSent && !isUnsendable(error), { cause });
  }
  if (answer.status <= STATUS_MAX) {
    return { status: answer.status, headers: answer.headers, body: inTurns(answer.body) };
  }
  answer.body.cancel();
  throw new UnreachableError(`The answer had the status ${answer.status}`, true);
}

/** Whether the request cannot be sent: a `TypeError` without a system error code. */
const isUnsendable = (error: unknown) => error instanceof TypeError && codeOf(error) === '';

/** Decompresses an answer that was compressed although the request did not allow it. */
function decoded(answer: OutgoingAnswer, method: string): OutgoingAnswer {
  const coding = answer.headers.get('content-encoding');
  const format = coding === null ? undefined : COMPRESSIONS[coding.toLowerCase()];
  if (format === undefined || isEmpty(answer, method)) return answer;
  const body = streamBody(streamOf(answer.body).pipeThrough(new DecompressionStream(format as CompressionFormat)));
  // The content-length counts the compressed bytes.
  const get = (name: string) => (name === 'content-length' ? null : answer.headers.get(name));
  return { status: answer.status, headers: { get }, body };
}

/** Whether the answer has no body at all: an empty body cannot be decompressed. */
function isEmpty({ status, headers }: OutgoingAnswer, method: string): boolean {
  return method === 'HEAD' || status === 204 || status === 304 || headers.get('content-length') === '0';
}

/**
 * A request over TLS or through a proxy. With an `address`, Bun resolves no name, sends the URL's host in `Host` and in
 * TLS, checks the certificate for that host, and shares no connection between hosts (tried on 1.4.5; a test holds it).
 */
async function sendByFetch(
  { url, address, method, headers, body, signal, connectMs }: WireRequest,
  proxy: string | undefined,
): Promise<OutgoingAnswer> {
  const to = new URL(url.href);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isPinned = proxy === undefined && address !== undefined && isIP(host) === 0;
  if (isPinned) to.hostname = isIPv6(address) ? `[${address}]` : address;
  const port = Number(url.port || 443);
  const destination = { hostname: address ?? host, port, ...(isIP(host) === 0 && { serverName: host }) };
  // A proxy has its own connection timeout.
  if (proxy === undefined) await greet(destination, connectMs ?? CONNECT_MS, signal);
  const response = await fetch(to, {
    method,
    headers: { ...headers, 'accept-encoding': 'identity', ...(isPinned && { host: url.host }) },
    ...(isPinned && { tls: { serverName: host } }),
    ...(body !== undefined && { body }),
    signal: signalOf(signal),
    redirect: 'manual',
    proxy: proxy ?? NO_PROXY,
    // Bun's own limit of five idle minutes is shorter than a tool may run.
    timeout: false,
  } as RequestInit);
  if (proxy === undefined) answered(destination);
  return { status: response.status, headers: response.headers, body: streamBody(response.body) };
}

/** Milliseconds after an answer in which the next request skips the connection check. */
const KNOWN_MS = 60_000;
const KNOWN_MAX = 1_000;

interface Destination {
  /** An address or a name, without brackets. */
  readonly hostname: string;
  readonly port: number;
  /** The name for TLS; absent for an address. */
  readonly serverName?: string;
}

const answeredAtMs = new Recent<string, number>(KNOWN_MAX);
const keyOf = ({ hostname, port, serverName = '' }: Destination) => `${hostname} ${port} ${serverName}`;

/** Remembers that this destination has answered. */
function answered(destination: Destination): void {
  answeredAtMs.set(keyOf(destination), performance.now());
}

/**
 * Resolves when the other side has sent anything at all, and at once if it has answered lately. Other problems, such as
 * a bad certificate, are left for the request to find. Rejects with `ConnectTimeoutError` after `limitMs` without a
 * byte, with the system's error when there is no connection, or with the signal's reason.
 */
async function greet(destination: Destination, limitMs: number, signal: Abortable): Promise<void> {
  const lastMs = answeredAtMs.get(keyOf(destination));
  if (lastMs !== undefined && performance.now() - lastMs < KNOWN_MS) return;
  const { hostname, port, serverName } = destination;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const leave = () => reject(signal.reason);
  signal.addEventListener('abort', leave, { once: true });
  const timer = setTimeout(() => reject(new ConnectTimeoutError(limitMs)), limitMs);
  const said = () => resolve();
  const connecting = Bun.connect({
    ...{ hostname, port, tls: serverName === undefined ? true : { serverName } },
    socket: { data: said, handshake: said, close: said, error: said },
  });
  connecting.catch(reject);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', leave);
    connecting.then(
      (socket) => socket.terminate(),
      () => undefined,
    );
  }
}

/** Requests a path and discards the body: returns the status, or the reason why there is none. */
export async function probe(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<number | string> {
  try {
    const response = await fetch(url, { headers, signal, redirect: 'manual', proxy: NO_PROXY } as RequestInit);
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    return error instanceof Error ? (error.name === 'TimeoutError' ? 'no answer' : 'not listening') : String(error);
  }
}

/** The headers of a client's request that are passed on. */
export function requestHeaders(headers: Headers): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of REQUEST_HEADERS) {
    const value = headers.get(name);
    if (value !== null) kept[name] = value;
  }
  return kept;
}

/** Whether a body is short enough to be read whole. A body without a length is not, and neither is a chunked one. */
export function isShort(headers: AnswerHeaders): boolean {
  if (headers.get('transfer-encoding') !== null) return false;
  return Number(headers.get('content-length') ?? Number.POSITIVE_INFINITY) <= SHORT_BYTES_MAX;
}
