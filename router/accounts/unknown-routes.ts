/** Paths that are not there: refused in the language of who asks, with their sidebar, which needs to know who that is. */
import { Elysia } from 'elysia';
import { AppError } from '../lib/errors';
import type { SessionPlugin } from './identify';

export function unknownRoutes(session: SessionPlugin) {
  return new Elysia({ name: 'unknown' }).use(session).get(
    '/*',
    () => {
      throw new AppError('not_found');
    },
    { visitor: true },
  );
}
