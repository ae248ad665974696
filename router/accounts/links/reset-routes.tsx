/** Reset links: the page on which a user sets a password, and `/auth/reset` for programs. Either signs the user in. */
import { Elysia, t } from 'elysia';
import { ResetPage } from '../../../views/accounts/reset-page';
import { refusedForm } from '../../web/answers/refused-form';
import { page, seeOther } from '../../web/answers/respond';
import type { Clients } from '../../web/clients';
import { readerOf } from '../../web/reader';
import type { SessionPlugin } from '../identify';
import type { AttemptLimits } from '../sign-in-limits';
import { userJson } from '../users/present';
import type { UsersService } from '../users/users';

interface ResetRoutesDeps {
  readonly attempts: AttemptLimits;
  readonly clients: Clients;
  readonly users: UsersService;
}

/** Longer than a password may be. */
const body = t.Object({ password: t.String({ maxLength: 1_000 }) });

export function resetRoutes({ attempts, clients, users }: ResetRoutesDeps, session: SessionPlugin) {
  return new Elysia({ name: 'reset' })
    .use(session)
    .get('/reset/:token', async ({ params, request, server }) => {
      const user = await attempts.link(clients.network(request, server), () => users.findByReset(params.token));
      return page(
        readerOf(request),
        <ResetPage form={{ values: {}, errors: {} }} email={user.email} action={`/reset/${params.token}`} />,
      );
    })
    .post(
      '/reset/:token',
      async ({ params, body, request, server, signInCookie }) => {
        const network = clients.network(request, server);
        const { email } = await attempts.link(network, () => users.findByReset(params.token));
        try {
          await signInCookie.set(
            await attempts.link(network, () => users.reset(params.token, body.password)),
            'password.reset',
          );
        } catch (error) {
          const { form, status } = refusedForm({}, error);
          return page(
            readerOf(request),
            <ResetPage form={form} email={email} action={`/reset/${params.token}`} />,
            status,
          );
        }
        return seeOther(request, '/');
      },
      { body },
    )
    .post(
      '/auth/reset/:token',
      async ({ params, body, request, server, signInCookie }) => {
        const user = await attempts.link(clients.network(request, server), async () => {
          await users.findByReset(params.token);
          return users.reset(params.token, body.password);
        });
        await signInCookie.set(user, 'password.reset');
        return { user: userJson(user) };
      },
      { body },
    );
}
