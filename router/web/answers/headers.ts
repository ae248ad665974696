/**
 * The security headers of answers. Unless an answer is a page or an asset of the router, it is data: no browser may
 * show it as a document, run it or store it, whatever media type a runner, an upstream or a user's file claims. Every
 * answer starts with the headers of data; only a page replaces the policy.
 */
import { Recent } from '../../lib/lru';
import type { AnswerHeaders } from '../../net/outgoing';

/** If a browser opens the data as a document anyway, it has an origin of its own, no script, and can load nothing. */
const DATA_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'";
/**
 * Only our own origin, no inline script or style (law 21). No images of answers: they would tell third parties who
 * reads the answer.
 */
const PAGE_POLICY =
  "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/** Headers of every answer that does not replace them. */
export const DATA_HEADERS = {
  'content-security-policy': DATA_POLICY,
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'referrer-policy': 'same-origin',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
  // Blocks loads without CORS, such as `<img>` and `<script>`; pages on other ports of this host could otherwise use
  // them.
  'cross-origin-resource-policy': 'same-origin',
};

/**
 * The same for a `Response`, which copies them at once. The headers of a record cost it 0.15 µs each, several times that
 * when they are in no cache (docs/performance-notes.md).
 */
const PREPARED = new Headers(DATA_HEADERS);
const PREPARED_VALUES: Readonly<Record<string, string>> = DATA_HEADERS;

/** The policy of a page or an asset, which replaces that of data. */
export const PAGE_HEADERS = { 'content-security-policy': PAGE_POLICY };

/** No proxy stores the answer, and a browser asks before it uses it again. */
const KEPT_PAGE_HEADERS = { 'cache-control': 'private, no-cache' };

/**
 * The headers, in place of those of data, of an answer to the script of a conversation's page. Chromium does not keep a page for
 * the back button whose script was answered with `no-store`; the script's own requests keep the browser from storing the
 * answers (app/kept.js).
 */
export function keptPageHeaders({ headers }: Request): typeof KEPT_PAGE_HEADERS | undefined {
  const isOfScript = headers.get('hx-request') === 'true' || headers.get('accept') === 'text/event-stream';
  if (!isOfScript) return undefined;
  const page = URL.parse(headers.get('hx-current-url') ?? headers.get('referer') ?? '');
  return page?.pathname.startsWith('/conversations/') ? KEPT_PAGE_HEADERS : undefined;
}

/**
 * Headers of a runner or an upstream that are passed on. Not set-cookie, not framing, and not content-encoding, because
 * the body is already decoded.
 */
const PASSED_ON = ['retry-after', 'x-should-retry', 'openai-processing-ms', 'openai-version'];
/** Media types that the clients of `/v1` read. Everything else is sent as plain bytes. */
const MEDIA_TYPES = new Set([
  ...['application/json', 'application/problem+json', 'application/x-ndjson', 'application/octet-stream'],
  ...['text/event-stream', 'text/plain', 'image/png', 'image/jpeg', 'image/webp', 'image/gif'],
]);
const AUDIO = /^audio\/[a-z0-9.+-]{1,40}$/;
/**
 * Parameters that do not change how the bytes are read. No other character set: some of them encode script as harmless
 * bytes.
 */
const PARAMETER = /^(charset=utf-8|(rate|channels)=\d{1,6})$/;
const MEDIA_TYPE_LENGTH_MAX = 200;
const BYTES = 'application/octet-stream';

/** Media types whose reading is cached. Agents claim the same few, several times for each answer. */
const READ_TYPES_MAX = 100;
const readTypes = new Recent<string, string>(READ_TYPES_MAX);

/**
 * The media type for a foreign answer, written anew from the one that it claims. A list of several types is not
 * accepted.
 */
function mediaTypeOf(said: string | null): string {
  if (said === null || said.length > MEDIA_TYPE_LENGTH_MAX || said.includes(',')) return BYTES;
  let type = readTypes.get(said);
  if (type === undefined) {
    type = readType(said);
    readTypes.set(said, type);
  }
  return type;
}

function readType(said: string): string {
  const [type = '', ...parameters] = said.split(';').map((part) => part.trim().toLowerCase());
  if (!MEDIA_TYPES.has(type) && !AUDIO.test(type)) return BYTES;
  const kept = new Set(parameters.map((one) => one.replaceAll('"', '')).filter((one) => PARAMETER.test(one)));
  return [type, ...kept].join('; ');
}

/**
 * The headers of an answer of a runner or an upstream that are passed on, by an allow-list (law 12). Answer with a
 * `dataResponse`.
 */
export function foreignHeaders(headers: AnswerHeaders): Record<string, string> {
  const kept: Record<string, string> = { 'content-type': mediaTypeOf(headers.get('content-type')) };
  for (const name of PASSED_ON) {
    const value = headers.get(name);
    if (value !== null) kept[name] = value;
  }
  return kept;
}

/** The headers of data that this router writes and that may contain other people's text. */
export function dataHeaders(mediaType: string): Record<string, string> {
  return { ...DATA_HEADERS, 'content-type': mediaType };
}

/**
 * An answer with the headers of data and those of all `records`, of which the last one of a name counts. A record may
 * repeat the headers of data.
 */
export function dataResponse(
  body: BodyInit,
  status: number,
  ...records: readonly Readonly<Record<string, string | number>>[]
): Response {
  const response = new Response(body, { status, headers: PREPARED });
  const { headers } = response;
  for (const record of records) {
    for (const name in record) {
      const value = String(record[name]);
      if (value !== PREPARED_VALUES[name]) headers.set(name, value);
    }
  }
  return response;
}

/** Whether the answer's media type is exactly server-sent events. */
export function isEventStream(headers: AnswerHeaders): boolean {
  return mediaTypeOf(headers.get('content-type')).startsWith('text/event-stream');
}
