/** Paths and methods that are not there: refused in the language of who asks, with their sidebar, which needs to know who that is. */
import { Elysia } from 'elysia';
import { AppError } from '../lib/errors';
import { isPartRequest, seeOther, wantsHtml } from '../web/answers/respond';
import { AT_BASE_URL, BASE_URL_ADVICE, isAstray } from '../web/base-url';
import type { SessionPlugin } from './identify';

type MethodsAt = (path: string) => readonly string[];

/** @param methodsAt The methods with which something is at a path. */
export function unknownRoutes(session: SessionPlugin, methodsAt: MethodsAt) {
  // For all methods: a route of one method, however general, comes before the more special ones for all, such as /v1/*.
  return new Elysia({ name: 'unknown' }).use(session).all(
    '/*',
    ({ path, request }) => {
      const allow = methodsAt(path);
      if (allow.length === 0) throw nothingAt(path, request);
      const page = isVisit(request) ? pageAbove(path, methodsAt) : undefined;
      if (page === undefined) throw new AppError('method_not_allowed', { allow });
      return seeOther(request, page);
    },
    { visitor: true, parse: 'none' },
  );
}

function nothingAt(path: string, request: Request): AppError {
  if (!isAstray(path) || wantsHtml(request)) return new AppError('not_found');
  const message = path === '/v1' ? AT_BASE_URL : `There is no ${path.slice(0, 100)}. ${BASE_URL_ADVICE}`;
  return new AppError('not_found', { message });
}

/** Whether somebody opens an address in a browser. */
function isVisit(request: Request): boolean {
  return request.method === 'GET' && wantsHtml(request) && !isPartRequest(request);
}

/**
 * The nearest page above an address, which is that of its form or leads to it. A refused form without JavaScript leaves its
 * address in the browser, where it is opened again.
 */
function pageAbove(path: string, methodsAt: MethodsAt): string | undefined {
  if (/^\/api\//.test(path)) return undefined;
  const above = path.slice(0, path.lastIndexOf('/')) || '/';
  if (methodsAt(above).includes('GET')) return above;
  return above === '/' ? undefined : pageAbove(above, methodsAt);
}
