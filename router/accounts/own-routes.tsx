/** A user's own account: the card "You" of the settings page, and `/api/me`. No key opens any of it. */
import { Elysia, t } from 'elysia';
import { isLocale } from '../../views/locales';
import { refusedForm } from '../web/answers/refused-form';
import { seeOther } from '../web/answers/respond';
import type { Clients } from '../web/clients';
import { patiently } from '../web/patience';
import type { AccountsService } from './accounts';
import type { SessionPlugin, Who } from './identify';
import type { SettingsPages } from './present-pages';
import { sessionJson } from './sessions/present';
import type { SessionsService } from './sessions/sessions';
import type { AttemptLimits } from './sign-in-limits';
import { userJson } from './users/present';

/** Longer than any of these fields may be. */
const field = t.String({ maxLength: 1_000 });
const passwords = t.Object({ old_password: field, new_password: field });

/** Deletes a user. Handed in by a later subject, because it also stops runners. */
interface Removal {
  delete(userId: string): Promise<void>;
}

interface OwnRoutesDeps {
  readonly accounts: AccountsService;
  readonly attempts: AttemptLimits;
  readonly clients: Clients;
  readonly removal: Removal;
  readonly sessions: SessionsService;
  readonly settings: SettingsPages;
}

export function ownRoutes(deps: OwnRoutesDeps, session: SessionPlugin) {
  const { accounts, clients, sessions, settings } = deps;

  return new Elysia({ name: 'own-account' })
    .use(session)
    .use(ownApiRoutes(deps, session))
    .post(
      '/settings/you/name',
      async ({ who, body, request }) => {
        try {
          await accounts.rename(who.user.id, body.name);
        } catch (error) {
          const { form, status } = refusedForm(body, error);
          return settings.page(who, request, { you: { forms: { name: form } } }, status);
        }
        return settings.back(request, 'renamed', 'you');
      },
      { session: true, audit: 'user.changed', body: t.Object({ name: field }) },
    )
    .post(
      '/settings/you/language',
      async ({ who, body, request }) => {
        await accounts.setPreferences(who.user.id, { language: isLocale(body.language) ? body.language : null });
        return settings.back(request, 'language', 'you');
      },
      { session: true, body: t.Object({ language: field }) },
    )
    .post(
      '/settings/you/titles',
      async ({ who, body, request }) => {
        await accounts.setPreferences(who.user.id, { hasModelTitles: body.titles === 'on' });
        return settings.saved(who, request, 'you');
      },
      // A browser sends nothing for a box that is not checked.
      { session: true, body: t.Object({ titles: t.Optional(t.Literal('on')), setting: t.Literal('titles') }) },
    )
    .post(
      '/settings/you/password',
      async ({ who, body, request, server }) => {
        try {
          await changePassword(deps, who, body, clients.network(request, server));
        } catch (error) {
          const { form } = refusedForm({}, error);
          return settings.page(who, request, { you: { forms: { password: form } } }, 422);
        }
        return settings.back(request, 'password', 'you');
      },
      { session: true, audit: 'password.changed', body: passwords },
    )
    .post(
      '/settings/you/delete',
      async ({ who, body, request, server, signInCookie }) => {
        try {
          const network = clients.network(request, server);
          await patiently({ request, server }, () => deleteAccount(deps, who, body.password, network));
        } catch (error) {
          const { form } = refusedForm({}, error);
          return settings.page(who, request, { you: { forms: { removal: form } } }, 422);
        }
        signInCookie.clear();
        return seeOther(request, '/sign-in');
      },
      { session: true, audit: 'user.deleted', body: t.Object({ password: field }) },
    )
    .post(
      '/settings/sessions/:id/revoke',
      async ({ who, params, request }) => {
        await sessions.revoke(who.user.id, params.id);
        return settings.back(request, 'session', 'you');
      },
      { session: true, audit: 'session.revoked' },
    )
    .post(
      '/settings/sessions/revoke-others',
      async ({ who, request }) => {
        await sessions.revokeAll(who.user.id, who.credentialId);
        return settings.back(request, 'sessions', 'you');
      },
      { session: true, audit: 'session.revoked' },
    );
}

function ownApiRoutes(deps: OwnRoutesDeps, session: SessionPlugin) {
  const { accounts, clients, sessions } = deps;

  return new Elysia({ name: 'own-account-api' })
    .use(session)
    .get('/api/me', ({ who }) => ({ user: userJson(who.user) }), { session: true })
    .patch(
      '/api/me',
      async ({ who, body }) => ({
        user: userJson(body.name == null ? who.user : await accounts.rename(who.user.id, body.name)),
      }),
      { session: true, audit: 'user.changed', body: t.Object({ name: t.Optional(t.Union([field, t.Null()])) }) },
    )
    .put(
      '/api/me/password',
      async ({ who, body, request, server }) => {
        await changePassword(deps, who, body, clients.network(request, server));
        return { ok: true };
      },
      { session: true, audit: 'password.changed', body: passwords },
    )
    .delete(
      '/api/me',
      async ({ who, body, request, server, signInCookie, status }) => {
        const network = clients.network(request, server);
        await patiently({ request, server }, () => deleteAccount(deps, who, body.password, network));
        signInCookie.clear();
        return status(204, undefined);
      },
      { session: true, audit: 'user.deleted', body: t.Object({ password: field }) },
    )
    .get(
      '/api/me/sessions',
      async ({ who }) => ({
        sessions: (await sessions.list(who.user.id)).map((one) => sessionJson(one, who.credentialId)),
      }),
      { session: true },
    )
    .delete(
      '/api/me/sessions/:id',
      async ({ who, params }) => {
        await sessions.revoke(who.user.id, params.id);
        return { ok: true };
      },
      { session: true, audit: 'session.revoked' },
    );
}

type Passwords = typeof passwords.static;

/** Wrong old passwords count as failed sign-ins: a session that was stolen must not tell the password. */
function changePassword({ accounts, attempts }: OwnRoutesDeps, who: Who, typed: Passwords, network: string) {
  const { old_password: old, new_password: chosen } = typed;
  return attempts.signIn(network, who.user.email, () =>
    accounts.changePassword(who.user, { old, new: chosen }, who.credentialId),
  );
}

/** Throws `wrong_credentials`, and what the removal throws: `invalid_request` for the administrator. */
function deleteAccount({ accounts, attempts, removal }: OwnRoutesDeps, who: Who, password: string, network: string) {
  return attempts.signIn(network, who.user.email, async () => {
    await accounts.requireOwner(who.user, password, 'password');
    await removal.delete(who.user.id);
  });
}
