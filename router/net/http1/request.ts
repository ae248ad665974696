/** A request of HTTP/1.1 as it goes over a connection: RFC 9112. */

/** A body up to this size goes out together with its head. */
const TOGETHER_BYTES_MAX = 65_536;
/** What may stand in a header's value: RFC 9110, 5.5, and DEL, which clients may send us. Anything else could end the line. */
const VALUE = /^[\t\x20-\xff]*$/;
/** Lower case only: another one would be a second header of one that is ours. */
const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
const TARGET = /^[\x21-\x7e]+$/;
/** What says where a request goes and where it ends is this file's affair. */
const OWN_HEADERS = new Set(['accept-encoding', 'host', 'connection', 'content-length', 'transfer-encoding']);

export interface WireRequest {
  readonly method: string;
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer> | undefined;
  /** How long a new connection may take, with its handshake; `CONNECT_MS` by default. */
  readonly connectMs?: number | undefined;
  readonly signal: AbortSignal;
  /** The IP address to connect to, whatever the URL's host resolves to by now. */
  readonly address?: string | undefined;
  /** Who is asked there. A port may be another one's soon: no connection is used again for somebody else. */
  readonly peer?: string | undefined;
}

/** A request as it goes over the wire, which asks for no compression; a long body by itself. Throws a `TypeError` for what would be another request. */
export function requestBytes({ method, url, headers, body = '' }: WireRequest): readonly Uint8Array[] {
  const target = url.pathname + url.search;
  if (!TARGET.test(target) || !TARGET.test(method)) throw new TypeError('The path or method is not one of HTTP.');
  const content = typeof body === 'string' ? Buffer.from(body) : body;
  let head = `${method} ${target} HTTP/1.1\r\nhost: ${url.host}\r\naccept-encoding: identity\r\n`;
  for (const name in headers) {
    const value = headers[name] ?? '';
    if (OWN_HEADERS.has(name)) continue;
    if (!NAME.test(name)) throw new TypeError('A header has a name that HTTP does not know.');
    if (!VALUE.test(value)) throw new TypeError(`The header ${name} has a value that HTTP does not know.`);
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
