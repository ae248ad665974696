/** Sign-up by the link of an invitation, also while sign-up is closed: as a page and as JSON. */
import { Elysia, t } from 'elysia';
import { InvitationPage } from '../../../views/accounts/invitation-page';
import type { FormState } from '../../../views/models';
import { refusedForm } from '../../web/answers/refused-form';
import { page, seeOther } from '../../web/answers/respond';
import type { Clients } from '../../web/clients';
import { readerOf } from '../../web/reader';
import type { SessionPlugin } from '../identify';
import type { OidcService } from '../oidc/oidc';
import { providerLink } from '../present-pages';
import type { AttemptLimits } from '../sign-in-limits';
import { asPredecessor, userJson } from '../users/present';
import type { InvitationsService } from './invitations';

interface InvitationRoutesDeps {
  readonly attempts: AttemptLimits;
  readonly clients: Clients;
  readonly invitations: InvitationsService;
  readonly oidc: Pick<OidcService, 'name'> | undefined;
  /** Whether people sign in with passwords. */
  readonly passwordsOpen: boolean;
}

/** Longer than any of these fields may be. */
const field = t.String({ maxLength: 1_000 });

export function invitationRoutes(deps: InvitationRoutesDeps, session: SessionPlugin) {
  const { attempts, clients, invitations } = deps;
  const view = (token: string, email: string | null, form: FormState) => (
    <InvitationPage
      form={form}
      email={email}
      action={`/sign-up/${token}`}
      provider={providerLink(deps.oidc, { invitation: token })}
      hasPasswords={deps.passwordsOpen}
    />
  );

  return new Elysia({ name: 'invited' })
    .use(session)
    .get('/sign-up/:token', async ({ params: { token }, request, server }) => {
      const { email } = await attempts.link(clients.network(request, server), () => invitations.find(token));
      return page(readerOf(request), view(token, email, { values: {}, errors: {} }));
    })
    .post(
      '/sign-up/:token',
      async ({ params: { token }, body, request, server, signInCookie }) => {
        const network = clients.network(request, server);
        const { email } = await attempts.link(network, () => invitations.find(token));
        try {
          await signInCookie.set(
            await attempts.link(network, () => invitations.accept(token, body)),
            'user.invited_in',
          );
        } catch (error) {
          const { form, status } = refusedForm({ email: body.email, name: body.name }, error);
          return page(readerOf(request), view(token, email, form), status);
        }
        return seeOther(request, '/');
      },
      { body: t.Object({ email: field, password: field, name: field }) },
    )
    .post(
      '/auth/invitations/:token',
      async ({ params: { token }, body, request, server, signInCookie }) => {
        const typed = { ...body, name: body.name ?? undefined };
        const user = await attempts
          .link(clients.network(request, server), () => invitations.accept(token, typed))
          .catch(asPredecessor);
        await signInCookie.set(user, 'user.invited_in');
        return { user: userJson(user) };
      },
      { body: t.Object({ email: field, password: field, name: t.Optional(t.Union([field, t.Null()])) }) },
    );
}
