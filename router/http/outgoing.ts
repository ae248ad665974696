/** Requests that the router makes, and what may cross it in either direction. Nothing else makes any (law 22). */
import { isIP, isIPv6 } from 'node:net';

/** What may go on to a runner or an upstream (law 12). Everything else a client sends stays here. */
const REQUEST_HEADERS = ['accept', 'content-type', 'openai-beta'];
/** What may come back. Not set-cookie, not framing, not content-encoding: fetch has decoded the body already. */
const RESPONSE_HEADERS = ['content-type', 'retry-after', 'openai-processing-ms', 'openai-version'];
/** A runner's answer never becomes a page of ours: anything else is served as plain bytes. */
const CONTENT_TYPE =
  /^(application\/(json|problem\+json|octet-stream|x-ndjson)|text\/(event-stream|plain)|audio\/|image\/(png|jpeg|webp|gif))/i;
/** How Bun says that there was no connection, so that nothing of the request has left. */
const NOT_CONNECTED = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND']);
/** The largest that HTTP has a meaning for, and a response of ours may have. */
const STATUS_MAX = 599;

const SHORT_BYTES_MAX = 65_536;

export interface Outgoing {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly signal: AbortSignal;
  /** The IP address to connect to, whatever the URL's host resolves to by now. */
  readonly address?: string;
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
 * Sends a request and resolves with the response's head. Never follows a redirect, never decodes for the client, and
 * waits as long as the agent works: its clocks are the caller's signal. Throws `UnreachableError`, or the signal's reason.
 */
export async function open(outgoing: Outgoing): Promise<Response> {
  const { signal, body, ...rest } = outgoing;
  const { url, headers, tls } = pinned(outgoing);
  const response = await fetch(url, {
    method: rest.method,
    headers: { ...rest.headers, ...headers, 'accept-encoding': 'identity' },
    ...(body !== undefined && { body }),
    ...(tls && { tls }),
    signal,
    redirect: 'manual',
    // Bun's own limit of five idle minutes is shorter than a tool may run.
    timeout: false,
  } as RequestInit).catch((error: unknown) => {
    signal.throwIfAborted();
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw new UnreachableError('The connection failed before an answer', !NOT_CONNECTED.has(code), { cause: error });
  });
  if (response.status <= STATUS_MAX) return response;
  await response.body?.cancel();
  throw new UnreachableError(`The answer had the status ${response.status}`, true);
}

/**
 * The request to one address of the URL's host. Bun looks no name up for it, names the host in `Host` and to TLS, checks
 * the certificate for that name, and shares no connection between names (tried on 1.4.5; a test holds it).
 */
function pinned({ url, address }: Outgoing): {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly tls?: { readonly serverName: string };
} {
  if (address === undefined) return { url };
  const to = new URL(url);
  const host = to.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host)) return { url };
  const named = { headers: { host: to.host }, ...(to.protocol === 'https:' && { tls: { serverName: host } }) };
  to.hostname = isIPv6(address) ? `[${address}]` : address;
  return { url: to.href, ...named };
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
export function responseHeaders(headers: Headers): Record<string, string> {
  const kept = pick(headers, RESPONSE_HEADERS, { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
  const type = kept['content-type'];
  if (type !== undefined && !CONTENT_TYPE.test(type)) kept['content-type'] = 'application/octet-stream';
  return kept;
}

function pick(headers: Headers, names: readonly string[], into: Record<string, string>): Record<string, string> {
  for (const name of names) {
    const value = headers.get(name);
    if (value !== null) into[name] = value;
  }
  return into;
}

export function isEventStream(headers: Headers): boolean {
  return (headers.get('content-type') ?? '').toLowerCase().startsWith('text/event-stream');
}

/** Whether a body is so short that it need not be streamed. One without a length is not. */
export function isShort(headers: Headers): boolean {
  return Number(headers.get('content-length') ?? Number.POSITIVE_INFINITY) <= SHORT_BYTES_MAX;
}

/** The text of a body, of a long one its first `maxBytes` or a little more, of one that is cut what there was. */
export async function readText(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  try {
    for await (const chunk of body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      bytes += chunk.length;
      if (bytes >= maxBytes) break;
    }
  } catch {
    // Whoever asks wants to know why there is no answer; half a reason is better than none.
  }
  return text;
}
