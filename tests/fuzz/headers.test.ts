/**
 * Any headers on any route: each request is answered, never with a fault of the server, and always with the router's
 * own headers.
 */
import { afterAll, beforeAll, expect } from 'bun:test';
import fc from 'fast-check';
import { PEOPLE, type Person, startRouter, type TestRouter } from '../support/router';
import { anyText, fuzz } from './fuzz';

let router: TestRouter;
let alice: Person;
beforeAll(async () => {
  router = await startRouter();
  alice = await router.person(PEOPLE.alice);
});
afterAll(() => router[Symbol.asyncDispose]());

const NAMES = [
  ...[
    'accept',
    'accept-encoding',
    'accept-language',
    'authorization',
    'content-type',
    'cookie',
    'host',
    'if-none-match',
    'if-modified-since',
  ],
  ...[
    'last-event-id',
    'origin',
    'range',
    'referer',
    'sec-fetch-site',
    'sec-fetch-mode',
    'sec-fetch-dest',
    'hx-request',
    'hx-current-url',
  ],
  ...[
    'idempotency-key',
    'x-conversation-id',
    'x-agent-stack-detach',
    'x-request-id',
    'x-forwarded-for',
    'x-forwarded-proto',
    'forwarded',
  ],
  ...['openai-beta', 'openai-organization', 'user-agent', 'expect', 'prefer', 'if-range'],
];
const VALUES = [
  '',
  '*',
  'null',
  'text/html',
  'application/json',
  'Bearer ',
  'Bearer sk-as-x',
  'bytes=0-1,5-',
  'gzip;q=0',
  'true',
  '1.5:2',
];
/** The characters that a header may contain. */
const value = fc.oneof(
  fc.constantFrom(...VALUES),
  anyText.map((text) => text.replace(/[^\t\u0020-\u007e\u0080-\u00ff]/g, '').trim()),
);

const PATHS = [
  '/',
  '/sign-in',
  '/settings',
  '/usage',
  '/healthz',
  '/v1/models',
  '/v1/chat/completions',
  '/api/runners',
  '/assets/styles.css',
  '/live',
  '/nowhere',
  '/%00',
  '/v1/%2e%2e/x',
];

fuzz(
  'law 21: a request with any headers is answered with the headers that protect a browser, and is no fault of the server',
  {
    inputs: fc.record({
      method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'),
      path: fc.constantFrom(...PATHS),
      headers: fc.dictionary(fc.constantFrom(...NAMES), value, { maxKeys: 8 }),
      isSignedIn: fc.boolean(),
    }),
    async rule({ method, path, headers, isSignedIn }) {
      const cookie = isSignedIn && !('cookie' in headers) ? { cookie: alice.cookie } : {};
      const body = ['POST', 'PUT', 'PATCH'].includes(method)
        ? '{"model":"echo","messages":[{"role":"user","content":"x"}]}'
        : undefined;
      const response = await router.request(path, {
        method,
        headers: { ...headers, ...cookie },
        ...(body && { body }),
      });
      await response.body?.cancel();
      expect([method, path, response.status < 500 || response.status]).toEqual([method, path, true]);
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    },
  },
);
