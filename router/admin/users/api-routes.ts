/** `/api/admin/users`: the predecessor's users API, with pages, reset links and disabling. */
import { Elysia, t } from 'elysia';
import type { SessionPlugin } from '../../accounts/identify';
import { asPredecessor, userJson } from '../../accounts/users/present';
import type { User } from '../../accounts/users/store';
import type { UsersService } from '../../accounts/users/users';
import { AppError } from '../../lib/errors';
import { unixSeconds } from '../../lib/time';
import { patiently } from '../../web/patience';
import type { RemovalService } from './removal';

/** Users in one answer. */
const LISTED_MAX = 1_000;
/** Longer than any of these fields may be. The predecessor's page sends null for a field that is left blank. */
const field = t.String({ maxLength: 1_000 });
const optional = t.Optional(t.Union([field, t.Null()]));
const role = t.Optional(t.Union([t.String(), t.Null()]));
const pageQuery = t.Object({
  search: t.Optional(t.String()),
  after: t.Optional(t.String()),
  limit: t.Optional(t.Integer({ minimum: 1, maximum: LISTED_MAX })),
  deleted: t.Optional(t.Boolean()),
});
const newUser = t.Object({ email: field, password: optional, name: optional, role });
const change = t.Object({
  name: optional,
  password: optional,
  role,
  disabled: t.Optional(t.Union([t.Boolean(), t.Null()])),
});

export interface UsersApiDeps {
  readonly users: UsersService;
  readonly removal: RemovalService;
  /** The link of a page of ours, for the request's sender. */
  readonly linkTo: (request: Request, path: string) => string;
}

export function usersApiRoutes(deps: UsersApiDeps, session: SessionPlugin) {
  const { users, removal } = deps;

  return new Elysia({ name: 'users-api' })
    .use(session)
    .get(
      '/api/admin/users',
      async ({ query }) => {
        const { users: found, hasMore } = await users.page({
          ...query,
          limit: query.limit ?? LISTED_MAX,
          withDeleted: query.deleted,
        });
        return { users: found.map(listedJson), has_more: hasMore };
      },
      { admin: true, query: pageQuery },
    )
    .post(
      '/api/admin/users',
      async ({ body, request }) => {
        requireRole('user', body.role);
        const password = body.password ?? undefined;
        const user = await users
          .create({ email: body.email, name: body.name ?? undefined, password })
          .catch(asPredecessor);
        const link = password === undefined ? await resetLink(deps, request, user.id) : {};
        return { user: listedJson(user), ...link };
      },
      { admin: true, audit: 'user.created', body: newUser },
    )
    .get('/api/admin/users/:id', async ({ params }) => ({ user: listedJson(await users.get(params.id)) }), {
      admin: true,
    })
    .patch(
      '/api/admin/users/:id',
      async ({ params, body, request, server }) => {
        requireRole((await users.get(params.id)).role, body.role);
        const { name, password } = body;
        let user = await users
          .update(params.id, { name: name ?? undefined, password: password ?? undefined })
          .catch(asPredecessor);
        if (body.disabled === true) await patiently({ request, server }, () => removal.disable(params.id));
        if (body.disabled === false) await removal.enable(user.id);
        if (body.disabled != null) user = await users.get(user.id);
        return { user: listedJson(user) };
      },
      { admin: true, audit: 'user.changed', body: change },
    )
    .delete(
      '/api/admin/users/:id',
      async ({ params, query, request, server, status }) => {
        const remove = query.purge ? removal.delete : removal.deleteLater;
        await patiently({ request, server }, () => remove(params.id));
        return status(204, undefined);
      },
      { admin: true, audit: 'user.deleted', query: t.Object({ purge: t.Optional(t.Boolean()) }) },
    )
    .post(
      '/api/admin/users/:id/restore',
      async ({ params }) => ({ user: listedJson(await removal.restore(params.id)) }),
      { admin: true, audit: 'user.restored' },
    )
    .post('/api/admin/users/:id/reset-link', ({ params, request }) => resetLink(deps, request, params.id), {
      admin: true,
      audit: 'reset_link.made',
    });
}

/** Times are seconds since the epoch. */
function listedJson(user: User) {
  return {
    ...userJson(user),
    created_at: unixSeconds(user.createdAtMs),
    disabled: user.disabledAtMs !== null,
    ...(user.purgeAtMs !== null && { purge_at: unixSeconds(user.purgeAtMs) }),
  };
}

async function resetLink({ users, linkTo }: UsersApiDeps, request: Request, id: string) {
  const { token, expiresAtMs } = await users.resetLink(id);
  return { reset_link: { url: linkTo(request, `/reset/${token}`), expires_at: unixSeconds(expiresAtMs) } };
}

/** Throws `invalid_request`: there is one administrator, and the role is handed over on the host only. */
function requireRole(current: User['role'], asked: string | null | undefined): void {
  if (asked == null || asked === current) return;
  throw new AppError('invalid_request', {
    message: 'There is exactly one administrator. On the host, "bun run admin hand-over <e-mail>" hands the role over.',
  });
}
