/** Signing in, up and out: pages for people, and the predecessor's JSON below `/auth`. */
import { Elysia, t } from 'elysia';
import type { VNode } from 'preact';
import { SignInPage } from '../../views/accounts/sign-in-page';
import { SignUpPage } from '../../views/accounts/sign-up-page';
import type { FormState } from '../../views/models';
import type { AuditService } from '../audit/audit';
import { AppError, toAppError } from '../lib/errors';
import { refusalOf, refusedForm } from '../web/answers/refused-form';
import { page, seeOther } from '../web/answers/respond';
import type { Clients } from '../web/clients';
import { localPath } from '../web/local-path';
import { readerOf } from '../web/reader';
import type { AccountsService } from './accounts';
import { emailProblem, normaliseEmail } from './fields';
import type { SessionPlugin, Who } from './identify';
import type { OidcService } from './oidc/oidc';
import { providerLink } from './present-pages';
import type { SessionsService } from './sessions/sessions';
import type { AttemptLimits } from './sign-in-limits';
import { asPredecessor, userJson } from './users/present';
import type { User } from './users/store';

interface AuthRoutesDeps {
  /** Where a sign-in leads that was not on the way to a page. */
  readonly landing: (user: User) => Promise<string>;
  readonly accounts: AccountsService;
  readonly attempts: AttemptLimits;
  readonly audit: Pick<AuditService, 'record'>;
  readonly clients: Clients;
  readonly sessions: Pick<SessionsService, 'revoke'>;
  readonly metrics: { signInTried(outcome: string): void };
  /** The OpenID Connect provider, if people sign in with one. */
  readonly oidc: Pick<OidcService, 'name'> | undefined;
}

export function authRoutes(deps: AuthRoutesDeps, session: SessionPlugin) {
  const { accounts, attempts: limits, clients } = deps;
  const signUp = (typed: SignUpBody, address: string): Promise<User> => {
    const { email, password, name, invite_code: inviteCode } = typed;
    return limits.signUp(address, normaliseEmail(email), () =>
      accounts.signUp({ email, password, name: name ?? '', inviteCode: inviteCode ?? '' }),
    );
  };

  const whence = (...from: Parameters<Clients['address']>): Whence => {
    return { network: clients.network(...from), address: clients.address(...from) };
  };

  return new Elysia({ name: 'auth' })
    .use(session)
    .get(
      '/sign-in',
      ({ who, query, request }) => (who ? seeOther(request, '/') : signInPage(deps, request, { next: query.next })),
      {
        visitor: true,
        query: t.Object({ next: t.Optional(t.String()) }),
      },
    )
    .post(
      '/sign-in',
      async ({ body, request, server, signInCookie }) => {
        let user: User;
        try {
          user = await signIn(deps, body, whence(request, server));
          await signInCookie.set(user);
        } catch (error) {
          return signInPage(deps, request, { values: { email: body.email }, next: body.next, error: refusalOf(error) });
        }
        const to = localPath(body.next);
        return seeOther(request, to === '/' ? await deps.landing(user) : to);
      },
      { body: t.Object({ ...signInFields, next: t.Optional(t.String({ maxLength: 10_000 })) }) },
    )
    .get('/sign-up', ({ who, request }) => (who ? seeOther(request, '/') : signUpPage(deps, request, {})), {
      visitor: true,
    })
    .post(
      '/sign-up',
      async ({ body, request, server, signInCookie }) => {
        try {
          await signInCookie.set(await signUp(body, clients.network(request, server)), 'user.signed_up');
        } catch (error) {
          const { email, name, invite_code: inviteCode } = body;
          const values = { email, name: name ?? '', invite_code: inviteCode ?? '' };
          return signUpPage(deps, request, values, refusalOf(error));
        }
        return seeOther(request, '/');
      },
      // Checked before the body.
      { transform: accounts.requireSignUpOpen, body: signUpBody },
    )
    .post(
      '/sign-out',
      async ({ who, request, server, signInCookie }) => {
        signInCookie.clear();
        const unstored = who?.session && (await endSession(deps, who, clients.address(request, server)));
        return unstored ? signInPage(deps, request, { error: unstored }) : seeOther(request, '/sign-in');
      },
      { visitor: true },
    )

    .post(
      '/auth/login',
      async ({ body, request, server, signInCookie }) => {
        const user = await signIn(deps, body, whence(request, server));
        await signInCookie.set(user);
        return { user: userJson(user) };
      },
      { body: t.Object(signInFields) },
    )
    .post(
      '/auth/signup',
      async ({ body, request, server, signInCookie }) => {
        const user = await signUp(body, clients.network(request, server)).catch(asPredecessor);
        await signInCookie.set(user, 'user.signed_up');
        return { user: userJson(user) };
      },
      { transform: accounts.requireSignUpOpen, body: signUpBody },
    )
    .post(
      '/auth/logout',
      async ({ who, request, server, signInCookie }) => {
        signInCookie.clear();
        const unstored = who?.session && (await endSession(deps, who, clients.address(request, server)));
        if (unstored) throw unstored;
        return { ok: true };
      },
      { visitor: true },
    )
    .get('/auth/me', ({ who }) => ({ user: userJson(who.user) }), { session: true });
}

/**
 * Longer than any of these fields may be, with surrounding blanks; bounds the memory of requests that wait for their
 * turn.
 */
const field = t.String({ maxLength: 1_000 });
const signInFields = { email: field, password: field };
/** The predecessor's page sends null for a field that is left blank. */
const optionalField = t.Optional(t.Union([field, t.Null()]));
const signUpBody = t.Object({ ...signInFields, name: optionalField, invite_code: optionalField });
type SignUpBody = typeof signUpBody.static;

interface Whence {
  readonly network: string;
  readonly address: string;
}

async function signIn(
  deps: AuthRoutesDeps,
  body: { email: string; password: string },
  { network, address }: Whence,
): Promise<User> {
  const email = normaliseEmail(body.email);
  try {
    const user = await deps.attempts.signIn(network, email, () => deps.accounts.signIn(email, body.password));
    deps.metrics.signInTried('ok');
    return user;
  } catch (error) {
    const { code } = toAppError(error);
    deps.metrics.signInTried(code);
    // A refusal for too many attempts is not recorded: attackers must not fill the audit.
    if (code === 'wrong_credentials' || code === 'forbidden') {
      // People type their password into the wrong field: only what looks like an address is kept.
      const actor = { email: emailProblem(email) === undefined ? email : '' };
      await deps.audit.record({ action: 'sign-in.failed', actor, detail: code, address });
    }
    throw error;
  }
}

/** @returns what is to be said where the database refuses it. */
async function endSession(
  { audit, sessions }: AuthRoutesDeps,
  { user, credentialId }: Who,
  address: string,
): Promise<AppError | undefined> {
  const unstored = await sessions.revoke(user.id, credentialId).then(() => undefined, unstoredOf);
  await audit.record({ action: 'sign-out.done', actor: user, address });
  return unstored;
}

function unstoredOf(error: unknown): AppError {
  if (error instanceof AppError && error.code === 'storage_failed') return error;
  throw error;
}

function formState(values: Record<string, string>, error: AppError | undefined): FormState {
  if (error?.code === 'storage_failed') return { values, errors: {}, message: error.message };
  return error ? refusedForm(values, error).form : { values, errors: {} };
}

function signInPage(
  deps: AuthRoutesDeps,
  request: Request,
  shown: { values?: Record<string, string>; next?: string | undefined; error?: AppError },
): Response {
  const { values = {}, next, error } = shown;
  const form = formState(values, error);
  const view = (
    <SignInPage
      form={form}
      signupOpen={deps.accounts.signupOpen}
      provider={providerLink(deps.oidc, { next })}
      isAdminOnly={!deps.accounts.passwordsOpen}
      {...(next !== undefined && { next })}
    />
  );
  return formPage(request, view, error);
}

function signUpPage(
  deps: AuthRoutesDeps,
  request: Request,
  values: Record<string, string>,
  error?: AppError,
): Response {
  deps.accounts.requireSignUpOpen();
  const view = (
    <SignUpPage
      form={formState(values, error)}
      inviteRequired={deps.accounts.inviteRequired}
      provider={providerLink(deps.oidc)}
    />
  );
  return formPage(request, view, error);
}

/** A form with its errors: status 422, except for too many attempts and what could not be stored. */
function formPage(request: Request, view: VNode, error: AppError | undefined): Response {
  const isOwn = error?.code === 'too_many_requests' || error?.code === 'storage_failed';
  const response = page(readerOf(request), view, error ? (isOwn ? error.status : 422) : 200);
  if (error?.retryAfterSeconds !== undefined) response.headers.set('retry-after', String(error.retryAfterSeconds));
  return response;
}
