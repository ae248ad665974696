/**
 * Pages of other origins that may call `/v1`: those that the setting lists. Never with a cookie: a foreign page must
 * send a key of its own, so that it cannot act for a user who is signed in here.
 */
import { Elysia } from 'elysia';

/** Seconds for which a browser may cache the answer to a preflight: the maximum of Chromium. */
const PREFLIGHT_SECONDS = 7_200;

/** Headers that an allowed page of another origin may read. */
const EXPOSED_HEADERS = [
  'x-request-id',
  'openai-processing-ms',
  'retry-after',
  'x-should-retry',
  ...['limit', 'remaining', 'reset'].flatMap((what) => [`x-ratelimit-${what}-requests`, `x-ratelimit-${what}-tokens`]),
  'x-conversation-id',
  'x-agent-stack-agent',
  'x-agent-stack-runner',
  'x-agent-stack-cold-start',
  'idempotent-replayed',
];

/** Origins, or `*` for all. Absent: none. */
export type CorsOrigins = readonly string[] | '*' | undefined;

/** Whether a page of that origin may send this request. */
export function allowsOrigin(origins: CorsOrigins, request: Request): boolean {
  const origin = request.headers.get('origin');
  if (origins === undefined || origin === null || !isOpenAiDoor(request)) return false;
  return origins === '*' || origins.includes(origin);
}

/** Answers preflight requests, and lets allowed pages read the answers. */
export function cors(origins: CorsOrigins) {
  return new Elysia({ name: 'cors' }).onRequest(({ request, set }) => {
    if (origins === undefined || !isOpenAiDoor(request)) return;
    // Caches must not use the answer for one origin for another origin.
    if (origins !== '*') set.headers.vary = 'origin';
    if (!allowsOrigin(origins, request)) return;
    const headers = {
      'access-control-allow-origin': origins === '*' ? '*' : (request.headers.get('origin') ?? ''),
      'access-control-expose-headers': EXPOSED_HEADERS.join(', '),
    };
    Object.assign(set.headers, headers);
    if (request.method !== 'OPTIONS' || !request.headers.has('access-control-request-method')) return;
    return new Response(null, {
      status: 204,
      headers: {
        ...headers,
        'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE',
        // Allows the headers that the preflight names: the clients of OpenAI's API add headers of their own.
        'access-control-allow-headers': request.headers.get('access-control-request-headers') ?? '',
        'access-control-max-age': String(PREFLIGHT_SECONDS),
        vary: 'origin, access-control-request-headers',
      },
    });
  });
}

export function isOpenAiDoor(request: Request): boolean {
  return /^\/v1(\/|$)/.test(URL.parse(request.url)?.pathname ?? '');
}
