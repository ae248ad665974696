/** Writes an HTTP/1.1 request (RFC 9112). */
import type { Abortable } from '../../lib/abort';
import type { UrlParts } from '../url-parts';

/** Bytes of a body that is sent in one write with its head. */
const TOGETHER_BYTES_MAX = 65_536;
/**
 * Characters of a header's value (RFC 9110, 5.5), and DEL, which clients may send. Other characters could end the line.
 */
const VALUE = /^[\t\x20-\xff]*$/;
/** Lower case, so that no client header duplicates one of the router's. */
const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
const TARGET = /^[\x21-\x7e]+$/;
/** This file sets the headers that say where a request goes and where it ends. */
const OWN_HEADERS = new Set(['accept-encoding', 'host', 'connection', 'content-length', 'transfer-encoding']);

export interface WireRequest {
  readonly method: string;
  readonly url: UrlParts;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer> | undefined;
  /** Milliseconds for a new connection, with its handshake; `CONNECT_MS` by default. */
  readonly connectMs?: number | undefined;
  readonly signal: Abortable;
  /** The IP address to connect to, whatever the URL's host resolves to now. */
  readonly address?: string | undefined;
  /** The runner's id. Connections are pooled per runner, because a port may soon belong to another one. */
  readonly peer?: string | undefined;
}

/**
 * The bytes of a request that asks for no compression; a long body is a separate buffer. Throws a `TypeError` for
 * values that would change the request's framing.
 */
export function requestBytes({ method, url, headers, body = '' }: WireRequest): Uint8Array[] {
  const target = url.pathname + url.search;
  if (!TARGET.test(target) || !TARGET.test(method)) throw new TypeError('The path or the method is not valid in HTTP.');
  const content = typeof body === 'string' ? Buffer.from(body) : body;
  let head = `${method} ${target} HTTP/1.1\r\nhost: ${url.host}\r\naccept-encoding: identity\r\n`;
  for (const name in headers) {
    const value = headers[name] ?? '';
    if (OWN_HEADERS.has(name)) continue;
    if (!NAME.test(name)) throw new TypeError('The name of a header is not valid in HTTP.');
    if (!VALUE.test(value)) throw new TypeError(`The header ${name} has a value that is not valid in HTTP.`);
    head += `${name}: ${value}\r\n`;
  }
  if (content.length > 0 || method !== 'GET') head += `content-length: ${content.length}\r\n`;
  head += '\r\n';
  if (content.length > TOGETHER_BYTES_MAX) return [Buffer.from(head, 'latin1'), content];
  const bytes = Buffer.allocUnsafe(head.length + content.length);
  bytes.write(head, 0, 'latin1');
  bytes.set(content, head.length);
  return [bytes];
}
