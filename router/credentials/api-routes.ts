/** The predecessor's endpoints for credentials: `/api/me/env-overrides` and `/api/admin/shared-env`. */
import { Elysia, t } from 'elysia';
import type { SessionPlugin, Who } from '../accounts/identify';
import type { BackendRegistry } from '../backends/backends';
import { AppError } from '../lib/errors';
import type { CredentialsService } from './credentials';

interface CredentialsApiRoutesDeps {
  readonly backends: BackendRegistry;
  readonly credentials: CredentialsService;
}

export function credentialsApiRoutes(deps: CredentialsApiRoutesDeps, session: SessionPlugin) {
  const { credentials } = deps;
  const set = (who: Who, scope: string, values: Readonly<Record<string, string>>) =>
    credentials.set(who.user.id, scope, values).catch((error: unknown) => {
      throw withMessage(error);
    });

  return (
    new Elysia({ name: 'credentials-api' })
      .use(session)
      .get('/api/me/env-overrides', ({ who }) => overrides(deps, who), { session: true })
      // Not the predecessor's: several values of one scope at once, all or none.
      .put(
        '/api/me/env-overrides',
        async ({ who, body }) => {
          await set(who, body.backend ?? '', body.values);
          const wasSet = Object.entries(body.values).map(([name, value]) => [name, value.trim() !== '']);
          return { ok: true, set: Object.fromEntries(wasSet) };
        },
        {
          session: true,
          audit: 'credentials.set',
          body: t.Object({
            values: t.Record(t.String(), t.String(), { additionalProperties: false }),
            backend: t.Optional(t.String()),
          }),
        },
      )
      .put(
        '/api/me/env-overrides/:name',
        async ({ who, params, body }) => {
          await set(who, body.backend ?? '', { [params.name]: body.value });
          return { ok: true, set: body.value.trim() !== '' };
        },
        {
          session: true,
          audit: 'credentials.set',
          body: t.Object({ value: t.String(), backend: t.Optional(t.String()) }),
        },
      )
      .delete(
        '/api/me/env-overrides/:name',
        async ({ who, params, query }) => {
          await credentials.clear(who.user.id, query.backend ?? '', [params.name]);
          return { ok: true };
        },
        { session: true, audit: 'credentials.cleared', query: t.Object({ backend: t.Optional(t.String()) }) },
      )
      .get('/api/admin/shared-env', () => sharing(deps), { admin: true })
      .put(
        '/api/admin/shared-env/:name',
        async ({ params, body }) => {
          await credentials.share([params.name], body.shared);
          return { ok: true, shared: body.shared };
        },
        { admin: true, audit: 'credentials.shared', body: t.Object({ shared: t.Boolean() }) },
      )
  );
}

/**
 * Turns `invalid_fields` into the answer of the predecessor's API: status 400 with a sentence. Returns other errors
 * unchanged.
 */
function withMessage(error: unknown): unknown {
  if (!(error instanceof AppError) || !error.fields) return error;
  const problems = Object.entries(error.fields).map(([name, problem]) => `${name}: ${problem}.`);
  return new AppError('invalid_request', { message: problems.join(' '), fields: error.fields, cause: error });
}

/** `each(names)(of)` returns an object with the member `of(name)` for each name. */
const each =
  (names: readonly string[]) =>
  <T>(of: (name: string) => T): Record<string, T> =>
    Object.fromEntries(names.map((name) => [name, of(name)]));

async function overrides(deps: CredentialsApiRoutesDeps, who: Who) {
  const { credentials } = deps;
  const vars = [...credentials.variables()].sort();
  const perVariable = each(vars);
  const backends = deps.backends.all().filter(({ userOverridableEnv }) => userOverridableEnv.length > 0);
  const scopes = [...(await credentials.shown(who.user.id))];
  const { marked, present } = await credentials.sharing();
  const own = scopes.map(([scope, values]) => {
    const set = values.filter(({ isOwn }) => isOwn).map(({ name, shown = '' }) => [name, shown]);
    return [scope, Object.fromEntries(set)];
  });
  const effective = scopes
    .filter(([scope]) => scope !== '')
    .map(([scope, values]) => {
      const entries = values.map(({ name, source, shown = '' }) => [name, { source, masked: shown }]);
      return [scope, Object.fromEntries(entries)];
    });
  return {
    vars,
    backends: perVariable((name) =>
      backends.filter(({ userOverridableEnv }) => userOverridableEnv.includes(name)).map((one) => one.name),
    ),
    admin_shared: perVariable((name) => marked.has(name)),
    // Users see only whether a shared variable has a value.
    admin_shared_present: perVariable((name) => marked.has(name) && present.has(name)),
    overrides: Object.fromEntries(own),
    effective: Object.fromEntries(effective),
  };
}

async function sharing({ credentials }: CredentialsApiRoutesDeps) {
  const vars = [...credentials.variables()].sort();
  const { marked, present } = await credentials.sharing();
  const perVariable = each(vars);
  return {
    vars,
    shared: perVariable((name) => marked.has(name)),
    admin_has_value: perVariable((name) => present.has(name)),
  };
}
