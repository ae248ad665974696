/** Sign-in through the OpenID Connect provider: to its page, and back from there. */
import { Elysia, t } from 'elysia';
import { OidcRefusedPage } from '../../../views/accounts/oidc-refused-page';
import type { AuditAction, AuditService } from '../../audit/audit';
import { AppError } from '../../lib/errors';
import { parseJson } from '../../lib/json';
import type { Vault } from '../../lib/vault';
import { page, seeOther } from '../../web/answers/respond';
import type { Clients } from '../../web/clients';
import { localPath } from '../../web/local-path';
import { readerOf } from '../../web/reader';
import type { SessionPlugin } from '../identify';
import { providerLink } from '../present-pages';
import type { AttemptLimits } from '../sign-in-limits';
import type { IdentitiesService, Purpose, SignedIn } from './identities';
import { isLinkProof } from './link-proof';
import { type Claims, expiredFlow, type Flow, type OidcService } from './oidc';

const START = '/sign-in/oidc';
const CALLBACK = '/sign-in/oidc/callback';
/** How long somebody may take at the provider: to choose an account, type a password, find a second factor. */
const FLOW_SECONDS = 1_200;
/** Longer than the token of an invitation is. */
const TOKEN_LENGTH_MAX = 100;
/** For whom the cookie is sealed. */
const SEALED_FOR = 'sign-in through the OpenID Connect provider';
const text = t.Optional(t.String({ maxLength: 10_000 }));
/** Characters of the path that is kept: a browser drops a cookie of more than 4,096 bytes. */
const NEXT_LENGTH_MAX = 1_000;

interface OidcRoutesDeps {
  readonly attempts: AttemptLimits;
  readonly audit: Pick<AuditService, 'record'>;
  readonly clients: Clients;
  readonly cookie: { readonly name: string; readonly secure: boolean };
  readonly identities: IdentitiesService;
  /** The link of a page of ours, for the request's sender. */
  readonly linkTo: (request: Request, path: string) => string;
  readonly metrics: { signInTried(outcome: string): void };
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Absent: nobody signs in so. */
  readonly oidc: OidcService | undefined;
  readonly vault: Vault;
}

/** What the browser keeps, sealed, while its user is at the provider. */
interface Kept extends Flow, Purpose {
  readonly next: string;
  readonly untilMs: number;
}

const ACTIONS: Record<SignedIn['did'], AuditAction> = {
  'signed-in': 'sign-in.done',
  linked: 'sign-in.done',
  created: 'user.signed_up',
  invited: 'user.invited_in',
};

export function oidcRoutes(deps: OidcRoutesDeps, session: SessionPlugin) {
  const { attempts, audit, clients, linkTo, metrics, now, vault } = deps;
  const cookie = flowCookie(deps.cookie);

  return new Elysia({ name: 'oidc' })
    .use(session)
    .get(
      START,
      async ({ who, query, request, server }) => {
        const oidc = required(deps);
        const linksUserId = who && query.link && isLinkProof(vault, who, query.link) ? who.user.id : undefined;
        const next = localPath(query.next);
        const purpose = {
          next: next.length > NEXT_LENGTH_MAX ? '/' : next,
          invitation: query.invitation?.slice(0, TOKEN_LENGTH_MAX),
          linksUserId,
        };
        try {
          const begin = () => oidc.begin(linkTo(request, CALLBACK));
          const { url, flow } = await attempts.provider(clients.network(request, server), begin);
          const kept: Kept = { ...flow, ...purpose, untilMs: now() + FLOW_SECONDS * 1000 };
          return cookie.add(seeOther(request, url), vault.seal(JSON.stringify(kept), SEALED_FOR));
        } catch (error) {
          return refusedPage(deps, request, error, purpose);
        }
      },
      { visitor: true, query: t.Object({ next: text, invitation: text, link: text }) },
    )
    .get(
      CALLBACK,
      async ({ who, request, server, signInCookie }) => {
        const oidc = required(deps);
        const address = clients.address(request, server);
        let kept: Kept | undefined;
        let claims: Claims | undefined;
        try {
          const {
            user,
            did,
            isCleared = false,
          } = await attempts.provider(clients.network(request, server), async () => {
            kept = keptIn(deps, cookie.of(request));
            const answered = new URL(linkTo(request, CALLBACK) + new URL(request.url).search);
            claims = await oidc.finish(answered, kept);
            // Linked only by the user who has asked for it, in the same browser.
            if (kept.linksUserId !== undefined && kept.linksUserId !== who?.user.id) throw expiredFlow();
            return deps.identities.signIn(claims, kept);
          });
          metrics.signInTried('ok');
          const detail = `through ${oidc.issuer}`;
          if (did === 'linked') {
            const linked = isCleared ? `${detail}; its password, sessions and keys were removed` : detail;
            await audit.record({ action: 'identity.linked', actor: user, detail: linked, address });
          }
          if (isCleared || who?.user.id !== user.id) await signInCookie.set(user, ACTIONS[did], detail);
          return cookie.clear(seeOther(request, kept?.next ?? '/'));
        } catch (error) {
          const code = error instanceof AppError ? error.code : 'internal';
          metrics.signInTried(code);
          // A refusal for too many attempts is not recorded: attackers must not fill the audit.
          if (error instanceof AppError && error.status < 500 && code !== 'too_many_requests') {
            const actor = { email: claims?.email ?? '' };
            await audit.record({ action: 'sign-in.failed', actor, detail: error.message, address });
          }
          return cookie.clear(refusedPage(deps, request, error, kept));
        }
      },
      { visitor: true },
    );
}

/** Throws `not_found` where no provider is set. */
function required({ oidc }: OidcRoutesDeps): OidcService {
  if (!oidc) throw new AppError('not_found');
  return oidc;
}

/** Throws `invalid_request` when the browser has begun no sign-in, or too long ago. */
function keptIn({ now, vault }: OidcRoutesDeps, sealed: string | undefined): Kept {
  try {
    const kept = parseJson(vault.open(sealed ?? '', SEALED_FOR)) as unknown as Kept;
    if (kept.untilMs > now()) return kept;
  } catch (error) {
    // Not ours, or sealed under another key.
    throw expiredFlow(error);
  }
  throw expiredFlow();
}

/** One plain page for everything that goes wrong on the way, with a way back. Throws faults of the router. */
function refusedPage(
  { oidc }: OidcRoutesDeps,
  request: Request,
  error: unknown,
  { next, invitation, linksUserId }: Partial<Kept> = {},
): Response {
  if (!(error instanceof AppError) || error.code === 'internal') throw error;
  const back =
    linksUserId !== undefined ? '/settings' : invitation === undefined ? '/sign-in' : `/sign-up/${invitation}`;
  // Linking begins again in Settings.
  const again = linksUserId === undefined ? providerLink(oidc, { next, invitation }) : undefined;
  const view = <OidcRefusedPage message={error.message} again={again} backHref={back} />;
  const response = page(readerOf(request), view, error.status);
  if (error.retryAfterSeconds !== undefined) response.headers.set('retry-after', String(error.retryAfterSeconds));
  return response;
}

/** Lax, because the browser comes back from another site. */
function flowCookie({ name, secure }: OidcRoutesDeps['cookie']) {
  const own = `${name}_oidc`;
  const add = (response: Response, value: string, maxAge = FLOW_SECONDS): Response => {
    const line = new Bun.Cookie({ name: own, value, maxAge, secure, path: START, httpOnly: true, sameSite: 'lax' });
    response.headers.append('set-cookie', line.serialize());
    return response;
  };
  return {
    add,
    clear: (response: Response) => add(response, '', 0),
    of: (request: Request) => new Bun.CookieMap(request.headers.get('cookie') ?? '').get(own) ?? undefined,
  };
}
