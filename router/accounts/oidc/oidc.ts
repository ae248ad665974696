/**
 * Sign-in with OpenID Connect: the authorization code flow with PKCE, state and nonce, by openid-client. The library is
 * loaded and the provider is asked when somebody first signs in, so that the router starts without either.
 */
import type { Configuration } from 'openid-client';
import type { OidcConfig } from '../../config/oidc';
import { AppError } from '../../lib/errors';
import { accountsLog } from '../../lib/log';
import type { LibraryFetch } from '../../net/library-fetch';
import { UnreachableError } from '../../net/outgoing';

/** Milliseconds for which the provider's endpoints are used without asking for them again. */
const DISCOVERED_MS = 3_600_000;

type Library = typeof import('openid-client');

/** What the browser brings back to prove that it has begun this sign-in. Secret. */
export interface Flow {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** Who somebody is, as the provider says. */
export interface Claims {
  /** Issuer and subject, with a blank between them. */
  readonly identity: string;
  /** Verified, and of an allowed domain where there are such. Absent where the provider says no such address. */
  readonly email?: string;
  /** May be empty. */
  readonly name: string;
}

export type OidcService = ReturnType<typeof oidcService>;

/**
 * @param deps.fetch asks the provider.
 * @param deps.now milliseconds of a clock that is never set.
 */
export function oidcService(deps: {
  readonly settings: OidcConfig;
  readonly clientSecret: string | undefined;
  readonly fetch: LibraryFetch;
  readonly now: () => number;
}) {
  const { settings, clientSecret, fetch, now } = deps;
  let known: { readonly provider: Promise<Configuration>; readonly untilMs: number } | undefined;

  /** Throws `upstream_unreachable`, and asks again at the next call then. */
  async function discovered(library: Library): Promise<Configuration> {
    if (!known || known.untilMs <= now()) {
      const found = { provider: discover(library), untilMs: now() + DISCOVERED_MS };
      known = found;
      found.provider.catch(() => {
        if (known === found) known = undefined;
      });
    }
    return known.provider.catch((error: unknown) => {
      const { issuer } = settings;
      if (isUnreachable(error)) {
        accountsLog.error({ issuer, err: error }, 'oidc.unreachable');
        throw unreachable(error);
      }
      accountsLog.error({ issuer, err: error, hint: ISSUER_HINT }, 'oidc.misconfigured');
      throw misconfigured(error);
    });
  }

  function discover(library: Library): Promise<Configuration> {
    const issuer = new URL(settings.issuer);
    return library.discovery(issuer, settings.clientId, clientSecret, authentication(library, clientSecret), {
      [library.customFetch]: fetch,
      // The signature of the ID token is checked although it comes from the provider itself.
      execute: [
        library.enableNonRepudiationChecks,
        ...(issuer.protocol === 'http:' ? [library.allowInsecureRequests] : []),
      ],
    });
  }

  return {
    name: settings.name,
    issuer: settings.issuer,

    /** The provider's page, and what the browser must bring back from there. Throws `upstream_unreachable`. */
    async begin(redirectUri: string): Promise<{ url: string; flow: Flow }> {
      const library = await import('openid-client');
      const provider = await discovered(library);
      const flow = {
        state: library.randomState(),
        nonce: library.randomNonce(),
        verifier: library.randomPKCECodeVerifier(),
      };
      const url = library.buildAuthorizationUrl(provider, {
        redirect_uri: redirectUri,
        scope: settings.scopes,
        state: flow.state,
        nonce: flow.nonce,
        code_challenge: await library.calculatePKCECodeChallenge(flow.verifier),
        code_challenge_method: 'S256',
      });
      return { url: url.href, flow };
    },

    /**
     * Who has signed in. Throws `forbidden` when the provider or its user refused, `invalid_request` when the answer does not
     * belong to the flow, and `upstream_unreachable`.
     * @param answered the URL of the callback, with what the provider has added.
     */
    async finish(answered: URL, { state, nonce, verifier }: Flow): Promise<Claims> {
      if (answered.searchParams.get('state') !== state) throw expiredFlow();
      const library = await import('openid-client');
      const provider = await discovered(library);
      try {
        const tokens = await library.authorizationCodeGrant(provider, answered, {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: verifier,
          idTokenExpected: true,
        });
        const claims: Record<string, unknown> = { ...tokens.claims() };
        const { iss, sub } = claims;
        const { userinfo_endpoint: endpoint } = provider.serverMetadata();
        // Many providers tell more there than in the ID token.
        const more =
          claims[settings.linkClaim] === undefined && endpoint !== undefined
            ? await library.fetchUserInfo(provider, tokens.access_token, String(sub))
            : {};
        return claimsOf(settings, { ...claims, ...more, iss, sub });
      } catch (error) {
        throw refusal(library, error);
      }
    },
  };
}

/** Basic where the provider takes it, as the specification has it by default. */
function authentication(library: Library, secret: string | undefined) {
  if (secret === undefined) return library.None();
  const [basic, post] = [library.ClientSecretBasic(secret), library.ClientSecretPost(secret)];
  return (...args: Parameters<typeof basic>) => {
    const [{ token_endpoint_auth_methods_supported: methods = ['client_secret_basic'] }] = args;
    return methods.includes('client_secret_basic') ? basic(...args) : post(...args);
  };
}

function claimsOf({ linkClaim, domains }: OidcConfig, claims: Readonly<Record<string, unknown>>): Claims {
  const told = claims[linkClaim];
  const isVerified = linkClaim !== 'email' || claims.email_verified === true || claims.email_verified === 'true';
  const email = typeof told === 'string' && isVerified ? told : undefined;
  const domain = email?.slice(email.lastIndexOf('@') + 1).toLowerCase();
  if (domains && !(domain !== undefined && domains.includes(domain))) {
    throw new AppError('forbidden', {
      message: email === undefined ? NO_ADDRESS : `E-mail addresses of ${domain} may not sign in here.`,
    });
  }
  const name = [claims.name, claims.preferred_username].find((one) => typeof one === 'string') ?? '';
  return { identity: `${claims.iss} ${claims.sub}`, ...(email !== undefined && { email }), name: String(name) };
}

/** Why somebody without a verified address is not let in. */
export const NO_ADDRESS = 'The sign-in service did not confirm an e-mail address of yours. Ask the administrator.';

export function expiredFlow(cause?: unknown): AppError {
  return new AppError('invalid_request', {
    message: 'This sign-in took too long, or was begun in another tab. Begin again.',
    cause,
  });
}

function unreachable(cause: unknown): AppError {
  return new AppError('upstream_unreachable', {
    message: 'The sign-in service does not answer right now. Try again in a moment, or ask the administrator.',
    cause,
  });
}

const ISSUER_HINT =
  'OIDC_ISSUER with /.well-known/openid-configuration behind it must be the address of a JSON document, in which "issuer" is OIDC_ISSUER to the letter.';
const CLIENT_HINT = 'The provider does not know this OIDC_CLIENT_ID with this OIDC_CLIENT_SECRET.';

/** Something answers, and not as the provider of the settings would: waiting does not help. */
function misconfigured(cause: unknown): AppError {
  return new AppError('upstream_unreachable', {
    message: 'The sign-in service is not set up right. Ask the administrator.',
    cause,
  });
}

/** What the provider, or a check of its answer, refused. Details are in the log only. */
function refusal(library: Library, error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof library.AuthorizationResponseError) {
    accountsLog.info({ error: error.error, description: error.error_description }, 'oidc.refused');
    const isDenied = error.error === 'access_denied';
    return new AppError('forbidden', {
      message: isDenied ? 'You did not sign in at the sign-in service, or it did not let you in.' : NOT_DONE,
      cause: error,
    });
  }
  const isClient = error instanceof library.ResponseBodyError && error.error === 'invalid_client';
  accountsLog.error({ err: error, ...(isClient && { hint: CLIENT_HINT }) }, 'oidc.failed');
  if (isClient) return misconfigured(error);
  // A code that was used already, as after a reload, or that is too old.
  if (error instanceof library.ResponseBodyError && error.error === 'invalid_grant') return expiredFlow(error);
  return isUnreachable(error) ? unreachable(error) : new AppError('forbidden', { message: NOT_DONE, cause: error });
}

/** The library wraps what its `fetch` throws, and has an answer that it did not expect as a cause. */
function isUnreachable(error: unknown): boolean {
  let one = error;
  for (; one instanceof Error; one = one.cause) {
    if (one instanceof UnreachableError || one.name === 'TimeoutError') return true;
  }
  return one instanceof Response && one.status >= 500;
}

const NOT_DONE = 'The sign-in service could not finish the sign-in. Begin again, or ask the administrator.';
