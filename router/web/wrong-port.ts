/** Answers for what the internal listener does not serve: the predecessor served everything at one port. */
import { Elysia } from 'elysia';
import type { Config } from '../config/config';
import { AppError } from '../lib/errors';

const PUBLIC_PATHS = ['/auth', '/api', '/v1'];

/** Refuses `/auth`, `/api` and `/v1` with the address at which they are served. */
export function wrongPort({ publicUrl, public: { port } }: Pick<Config, 'public' | 'publicUrl'>) {
  const where = publicUrl ?? (port === 0 ? 'the public port' : `port ${port} (FRONTEND_PORT)`);
  const refuse = () => {
    throw new AppError('not_found', {
      message: `This is the internal port, for agents only. /auth, /api and /v1 are served at ${where}.`,
    });
  };
  return PUBLIC_PATHS.reduce(
    (app, path) => app.all(path, refuse, { parse: 'none' }).all(`${path}/*`, refuse, { parse: 'none' }),
    new Elysia({ name: 'wrong-port' }),
  );
}
