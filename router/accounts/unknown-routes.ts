/** Paths that are not there: refused in the language of who asks, with their sidebar, which needs to know who that is. */
import { Elysia } from 'elysia';
import { AppError } from '../lib/errors';
import type { SessionPlugin } from './identify';

export function unknownRoutes(session: SessionPlugin) {
  // Of all methods: a GET would go before the routes of all methods, such as /v1/*, however short its path is.
  return new Elysia({ name: 'unknown' }).use(session).all(
    '/*',
    () => {
      throw new AppError('not_found');
    },
    { visitor: true, parse: 'none' },
  );
}
