/** Administration → Invitations: made, listed and revoked, on a page and at `/api/admin/invitations`. */
import { Elysia, t } from 'elysia';
import { AdminInvitationsPage } from '../../../views/admin/invitations';
import type { FormState } from '../../../views/models';
import type { SessionPlugin, Who } from '../../accounts/identify';
import type { InvitationsService } from '../../accounts/links/invitations';
import type { Invitation } from '../../accounts/links/store';
import type { ShellOf } from '../../accounts/present-pages';
import type { Once } from '../../lib/once';
import { numberOf } from '../../lib/text';
import { unixSeconds } from '../../lib/time';
import { refusedForm } from '../../web/answers/refused-form';
import { page, seeOther } from '../../web/answers/respond';
import { textOf } from '../../web/reader';
import { isFromStart, type StartPage } from '../start/routes';
import { START_PATH } from '../start/start';

/** Longer than any of these fields may be. */
const field = t.String({ maxLength: 1_000 });
const number = t.Optional(t.Union([t.Number(), t.Null()]));

/** A link that is shown this once. */
export interface NewLink {
  readonly url: string;
  readonly expiresAtMs: number;
}

interface InvitationsRoutesDeps {
  readonly invitations: InvitationsService;
  /** Links that were just made, each for the session that made it. */
  readonly newLinks: Once<NewLink>;
  /** The page of the first steps, which has the form too. */
  readonly startPage: StartPage;
  readonly shell: ShellOf;
  /** The link of a page of ours, for the request's sender. */
  readonly linkTo: (request: Request, path: string) => string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export function invitationsRoutes(deps: InvitationsRoutesDeps, session: SessionPlugin) {
  const { invitations, newLinks } = deps;

  return new Elysia({ name: 'invitations' })
    .use(session)
    .use(apiRoutes(deps, session))
    .get(
      '/admin/invitations',
      ({ who, query }) =>
        invitationsPage(deps, who, { isRevoked: query.said === 'revoked', link: newLinks.take(who.credentialId) }),
      {
        admin: true,
        query: t.Object({ said: t.Optional(t.String()) }),
      },
    )
    .post(
      '/admin/invitations',
      async ({ who, body, request }) => {
        try {
          const { email } = body;
          const [uses, days] = [numberOf(body.uses) ?? undefined, numberOf(body.days) ?? undefined];
          const { token, expiresAtMs } = await invitations.create({ email, uses, days });
          newLinks.put(who.credentialId, { url: deps.linkTo(request, `/sign-up/${token}`), expiresAtMs });
        } catch (error) {
          const { form, status } = refusedForm(body, error);
          if (isFromStart(request)) return deps.startPage(who, { step: 'invite', invitation: form, status });
          return invitationsPage(deps, who, { form, status });
        }
        return seeOther(request, isFromStart(request) ? `${START_PATH}?step=invite` : '/admin/invitations');
      },
      { admin: true, audit: 'invitation.made', body: t.Object({ email: field, uses: field, days: field }) },
    )
    .post(
      '/admin/invitations/:id/revoke',
      async ({ params, request }) => {
        await invitations.revoke(params.id);
        return seeOther(request, '/admin/invitations?said=revoked');
      },
      { admin: true, audit: 'invitation.revoked' },
    );
}

function apiRoutes({ invitations, linkTo, now }: InvitationsRoutesDeps, session: SessionPlugin) {
  return new Elysia({ name: 'invitations-api' })
    .use(session)
    .get(
      '/api/admin/invitations',
      async () => ({ invitations: (await invitations.list()).map((one) => invitationJson(one, now())) }),
      { admin: true },
    )
    .post(
      '/api/admin/invitations',
      async ({ body, request, status }) => {
        const { token, invitation } = await invitations.create({
          email: body.email ?? undefined,
          uses: body.uses ?? undefined,
          days: body.days ?? undefined,
        });
        return status(201, {
          invitation: invitationJson(invitation, now()),
          url: linkTo(request, `/sign-up/${token}`),
        });
      },
      {
        admin: true,
        audit: 'invitation.made',
        body: t.Object({ email: t.Optional(t.Union([field, t.Null()])), uses: number, days: number }),
      },
    )
    .delete(
      '/api/admin/invitations/:id',
      async ({ params }) => {
        await invitations.revoke(params.id);
        return { ok: true };
      },
      { admin: true, audit: 'invitation.revoked' },
    );
}

/** Times are seconds since the epoch. The link is not in it. */
function invitationJson({ id, email, uses, usesMax, createdAtMs, expiresAtMs }: Invitation, nowMs: number) {
  return {
    ...{ id, email, uses, uses_max: usesMax },
    created_at: unixSeconds(createdAtMs),
    expires_at: unixSeconds(expiresAtMs),
    is_open: uses < usesMax && expiresAtMs > nowMs,
  };
}

interface Shown {
  readonly isRevoked?: boolean;
  readonly link?: NewLink | undefined;
  readonly form?: FormState;
  readonly status?: number;
}

async function invitationsPage(deps: InvitationsRoutesDeps, who: Who, shown: Shown): Promise<Response> {
  const nowMs = deps.now();
  const views = (await deps.invitations.list()).map(({ id, email, uses, usesMax, createdAtMs, expiresAtMs }) => ({
    ...{ id, email, uses, usesMax, createdAtMs, expiresAtMs },
    isExpired: expiresAtMs <= nowMs,
  }));
  return page(
    who,
    <AdminInvitationsPage
      shell={await deps.shell(who)}
      invitations={views}
      link={shown.link}
      form={shown.form ?? { values: {}, errors: {} }}
      flash={shown.isRevoked ? { kind: 'good', message: textOf(who).invitations.revoked } : undefined}
    />,
    shown.status,
  );
}
