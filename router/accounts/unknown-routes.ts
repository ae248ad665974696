/** Paths that are not there: refused in the language of who asks, with their sidebar, which needs to know who that is. */
import { Elysia } from 'elysia';
import { AppError } from '../lib/errors';
import type { SessionPlugin } from './identify';

export function unknownRoutes(session: SessionPlugin) {
  // For all methods: a route of one method, however general, comes before the more special ones for all, such as /v1/*.
  return new Elysia({ name: 'unknown' }).use(session).all(
    '/*',
    () => {
      throw new AppError('not_found');
    },
    { visitor: true, parse: 'none' },
  );
}
