/** Administration → Users: the list, a user's page, and what can be done there. */
import { Elysia, t } from 'elysia';
import { AdminUserPage } from '../../../views/admin/user';
import { AdminUsersPage } from '../../../views/admin/users';
import type { Text } from '../../../views/locales';
import type { FormState } from '../../../views/models';
import type { SessionPlugin, Who } from '../../accounts/identify';
import type { IdentitiesService } from '../../accounts/oidc/identities';
import type { ShellOf } from '../../accounts/present-pages';
import type { User } from '../../accounts/users/store';
import { AppError } from '../../lib/errors';
import type { Once } from '../../lib/once';
import { DAY_MS } from '../../lib/time';
import { flashOf } from '../../web/answers/flash';
import { refusalOf, refusedForm } from '../../web/answers/refused-form';
import { page, seeOther } from '../../web/answers/respond';
import { patiently } from '../../web/patience';
import { textOf } from '../../web/reader';
import { type UsersApiDeps, usersApiRoutes } from './api-routes';
import type { NewLink } from './invitations-routes';
import { usersPage, userView } from './present';
import type { RemovalService } from './removal';

/** Longer than any of these fields may be. */
const field = t.String({ maxLength: 1_000 });
/** No password is asked for where nobody has one. */
const newUser = t.Object({ email: field, name: field, password: t.Optional(field) });
const said = t.Object({ said: t.Optional(t.String()) });
const listQuery = t.Object({
  search: t.Optional(t.String()),
  after: t.Optional(t.String()),
  said: t.Optional(t.String()),
});

interface UsersRoutesDeps extends UsersApiDeps {
  /** Reset links that were just made, each for the session that made it and its user. */
  readonly newLinks: Once<NewLink>;
  readonly identities: Pick<IdentitiesService, 'unlink'>;
  readonly removal: RemovalService;
  readonly shell: ShellOf;
}

export function usersRoutes(deps: UsersRoutesDeps, session: SessionPlugin) {
  const { users, removal } = deps;
  const back = (request: Request, id: string, done: keyof Text['users']['said']) =>
    seeOther(request, `/admin/users/${id}?said=${done}`);

  return new Elysia({ name: 'users' })
    .use(session)
    .use(usersApiRoutes(deps, session))
    .get('/admin/users', ({ who, query }) => listPage(deps, who, query), { admin: true, query: listQuery })
    .post(
      '/admin/users',
      async ({ who, body, request }) => {
        const { email, name, password = '' } = body;
        try {
          const user = await users.create({ email, name, password: password === '' ? undefined : password });
          if (password !== '' || !users.passwordsOpen) return back(request, user.id, 'created');
          return await newLink(deps, who, request, user.id);
        } catch (error) {
          const { form, status } = refusedForm({ email, name }, error);
          return listPage(deps, who, {}, { form, status });
        }
      },
      { admin: true, audit: 'user.created', body: newUser },
    )
    .get(
      '/admin/users/:id',
      async ({ who, params, query }) => {
        const link = deps.newLinks.take(linkOf(who, params.id));
        return userPage(deps, who, await users.get(params.id), { said: query.said, link });
      },
      { admin: true, query: said },
    )
    .post(
      '/admin/users/:id/name',
      async ({ who, params, body, request }) => {
        try {
          await users.update(params.id, body);
        } catch (error) {
          const { form, status } = refusedForm(body, error);
          return userPage(deps, who, await users.get(params.id), { forms: { name: form }, status });
        }
        return back(request, params.id, 'renamed');
      },
      { admin: true, audit: 'user.changed', body: t.Object({ name: field }) },
    )
    .post(
      '/admin/users/:id/password',
      async ({ who, params, body, request }) => {
        try {
          await users.update(params.id, body);
        } catch (error) {
          const { form, status } = refusedForm({}, error);
          return userPage(deps, who, await users.get(params.id), { forms: { password: form }, status });
        }
        return back(request, params.id, 'password');
      },
      { admin: true, audit: 'password.set', body: t.Object({ password: field }) },
    )
    .post('/admin/users/:id/reset-link', ({ who, params, request }) => newLink(deps, who, request, params.id), {
      admin: true,
      audit: 'reset_link.made',
    })
    .post(
      '/admin/users/:id/unlink',
      async ({ params, request }) => {
        await deps.identities.unlink(params.id);
        return back(request, params.id, 'unlinked');
      },
      { admin: true, audit: 'identity.unlinked' },
    )
    .post(
      '/admin/users/:id/disable',
      async ({ params, request, server }) => {
        await patiently({ request, server }, () => removal.disable(params.id));
        return back(request, params.id, 'disabled');
      },
      { admin: true, audit: 'user.disabled' },
    )
    .post(
      '/admin/users/:id/enable',
      async ({ params, request }) => {
        await removal.enable(params.id);
        return back(request, params.id, 'enabled');
      },
      { admin: true, audit: 'user.enabled' },
    )
    .post(
      '/admin/users/:id/restore',
      async ({ params, request }) => {
        await removal.restore(params.id);
        return back(request, params.id, 'restored');
      },
      { admin: true, audit: 'user.restored' },
    )
    .post(
      '/admin/users/:id/delete',
      async ({ who, params, body, request, server }) => {
        const user = await users.get(params.id);
        try {
          requireTyped(user, body.typed);
          const remove = body.when === 'now' ? removal.delete : removal.deleteLater;
          await patiently({ request, server }, () => remove(user.id));
        } catch (error) {
          const { message, fields, status } = refusalOf(error);
          const form = { values: { ...body }, errors: { typed: fields?.typed ?? message } };
          return userPage(deps, who, user, { forms: { removal: form }, status });
        }
        const isKept = body.when !== 'now' && removal.keptMs > 0;
        return isKept ? back(request, user.id, 'kept') : seeOther(request, '/admin/users?said=deleted');
      },
      { admin: true, audit: 'user.deleted', body: t.Object({ typed: field, when: t.Optional(field) }) },
    );
}

/** The text that the administrator types to confirm that a user is deleted. */
const nameOf = ({ name, email }: User): string => name || email;

function requireTyped(user: User, typed: string): void {
  if (typed.trim() === nameOf(user)) return;
  throw new AppError('invalid_fields', { fields: { typed: 'That is not the name of this user' } });
}

async function listPage(
  deps: UsersRoutesDeps,
  who: Who,
  query: typeof listQuery.static,
  refused?: { readonly form: FormState; readonly status: number },
): Promise<Response> {
  const { search = '', after } = query;
  const { views, hasMore } = await usersPage(deps.users, who, search, after);
  const last = views.at(-1);
  const asked = { ...(search && { search }), ...(after !== undefined && { after }) };
  const more = hasMore && last ? new URLSearchParams({ ...(search && { search }), after: last.id }) : undefined;
  return page(
    who,
    <AdminUsersPage
      shell={await deps.shell(who)}
      users={views}
      liveUrl={`/admin/live?${new URLSearchParams({ on: 'users', ...asked })}`}
      search={search}
      moreHref={more && `/admin/users?${more}`}
      firstHref={after === undefined ? undefined : `/admin/users?${new URLSearchParams({ ...(search && { search }) })}`}
      form={refused?.form ?? { values: {}, errors: {} }}
      hasPasswords={deps.users.passwordsOpen}
      isRefused={refused !== undefined}
      flash={flashOf(textOf(who).users.said, query.said)}
    />,
    refused?.status,
  );
}

interface Shown {
  readonly said?: string | undefined;
  readonly link?: NewLink | undefined;
  readonly forms?: { readonly name?: FormState; readonly password?: FormState; readonly removal?: FormState };
  readonly status?: number;
}

async function userPage(deps: UsersRoutesDeps, who: Who, user: User, shown: Shown): Promise<Response> {
  return page(
    who,
    <AdminUserPage
      shell={await deps.shell(who)}
      user={userView(deps.users, user, who)}
      typedName={nameOf(user)}
      keptDays={deps.removal.keptMs / DAY_MS}
      link={shown.link}
      forms={shown.forms}
      hasPasswords={deps.users.passwordsOpen}
      flash={flashOf(textOf(who).users.said, shown.said)}
    />,
    shown.status,
  );
}

/** The page that a new link of this user is shown on, once. */
const linkOf = ({ credentialId }: Who, userId: string): string => `${credentialId} ${userId}`;

/** Redirects to the page that shows the link, so that a reload of that page makes no second one. */
async function newLink(deps: UsersRoutesDeps, who: Who, request: Request, id: string): Promise<Response> {
  const { token, expiresAtMs } = await deps.users.resetLink(id);
  deps.newLinks.put(linkOf(who, id), { url: deps.linkTo(request, `/reset/${token}`), expiresAtMs });
  return seeOther(request, `/admin/users/${id}`);
}
