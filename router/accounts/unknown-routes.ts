/** Paths and methods that are not there: refused in the language of who asks, with their sidebar, which needs to know who that is. */
import { Elysia } from 'elysia';
import { AppError } from '../lib/errors';
import type { SessionPlugin } from './identify';

/** @param methodsAt The methods with which something is at a path. */
export function unknownRoutes(session: SessionPlugin, methodsAt: (path: string) => readonly string[]) {
  // For all methods: a route of one method, however general, comes before the more special ones for all, such as /v1/*.
  return new Elysia({ name: 'unknown' }).use(session).all(
    '/*',
    ({ path }) => {
      const allow = methodsAt(path);
      throw allow.length > 0 ? new AppError('method_not_allowed', { allow }) : new AppError('not_found');
    },
    { visitor: true, parse: 'none' },
  );
}
