/**
 * What answers say to a browser. Unless it is a page or an asset of ours, an answer is data: no browser makes a document of
 * it, runs it, or keeps it, whatever a runner, an upstream or a user's file calls itself. Every answer begins with the
 * headers of data; a page replaces the policy, and nothing else may.
 */
import type { AnswerHeaders } from '../net/outgoing';

/** Were it opened as a document all the same, it would have another origin, no script, and nothing that it could load. */
const DATA_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'";
/** Only our own origin, no inline script or style (law 21). Images of answers would tell third parties who reads. */
const PAGE_POLICY =
  "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/** Of every answer that does not say otherwise. */
export const DATA_HEADERS = {
  'content-security-policy': DATA_POLICY,
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'referrer-policy': 'same-origin',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
  // For whoever loads it without asking by CORS, as `<img>` and `<script>` do: other ports of this host are among them.
  'cross-origin-resource-policy': 'same-origin',
};

/** What a page or an asset says in place of that. */
export const PAGE_HEADERS = { 'content-security-policy': PAGE_POLICY };

/** What may come along from a runner or an upstream. Not set-cookie, not framing, not content-encoding: the body is decoded by then. */
const PASSED_ON = ['retry-after', 'x-should-retry', 'openai-processing-ms', 'openai-version'];
/** What the clients of `/v1` read. Anything else is bytes to them. */
const MEDIA_TYPES = new Set([
  ...['application/json', 'application/problem+json', 'application/x-ndjson', 'application/octet-stream'],
  ...['text/event-stream', 'text/plain', 'image/png', 'image/jpeg', 'image/webp', 'image/gif'],
]);
const AUDIO = /^audio\/[a-z0-9.+-]{1,40}$/;
/** Parameters without a say in what is made of the bytes. No other character set: some have spelled script in harmless bytes. */
const PARAMETER = /^(charset=utf-8|(rate|channels)=\d{1,6})$/;
const MEDIA_TYPE_LENGTH_MAX = 200;
const BYTES = 'application/octet-stream';

/** The one media type that a foreign answer has here, made anew from what it says. A list of several is none. */
export function mediaTypeOf(said: string | null): string {
  if (said === null || said.length > MEDIA_TYPE_LENGTH_MAX || said.includes(',')) return BYTES;
  const [type = '', ...parameters] = said.split(';').map((part) => part.trim().toLowerCase());
  if (!MEDIA_TYPES.has(type) && !AUDIO.test(type)) return BYTES;
  const kept = new Set(parameters.map((one) => one.replaceAll('"', '')).filter((one) => PARAMETER.test(one)));
  return [type, ...kept].join('; ');
}

/** The headers of an answer whose bytes come from a runner or an upstream: an allow-list of its own, and those of data (law 12). */
export function foreignHeaders(headers: AnswerHeaders): Record<string, string> {
  const kept: Record<string, string> = { ...DATA_HEADERS, 'content-type': mediaTypeOf(headers.get('content-type')) };
  for (const name of PASSED_ON) {
    const value = headers.get(name);
    if (value !== null) kept[name] = value;
  }
  return kept;
}

/** The headers of data that is written here, in which there may be other people's words. */
export function dataHeaders(mediaType: string): Record<string, string> {
  return { ...DATA_HEADERS, 'content-type': mediaType };
}

/** Whether an answer is server-sent events, and nothing else beside. */
export function isEventStream(headers: AnswerHeaders): boolean {
  return mediaTypeOf(headers.get('content-type')).startsWith('text/event-stream');
}
