/**
 * A real OpenID Connect provider (npm `oidc-provider`) on loopback, with the sign-in pages that it has for development:
 * any name and any password. Who somebody is, is scripted:
 *
 *     await using provider = await startProvider({ callbacks: ['http://localhost/sign-in/oidc/callback'] });
 *     provider.people.set('grace', { email: 'grace@example.org', email_verified: true });
 *     const visit = provider.visitor('grace');
 *     const back = await visit(urlOfTheAuthorizationEndpoint);   // the callback's URL, after sign-in and consent
 */
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';
import { freePort } from './ports';

/** Claims of a person, by which name they sign in. */
export type Claims = Readonly<Record<string, string | boolean>>;

export const CLIENT = { id: 'agent-stack', secret: 'the-secret-of-this-client-0123456789' } as const;

export interface TestProvider extends AsyncDisposable {
  readonly issuer: string;
  /** Settings of a router that uses it. */
  readonly env: Readonly<Record<string, string>>;
  readonly people: Map<string, Claims>;
  /** Paths that were asked for, in their order. */
  readonly asked: readonly string[];
  /** A browser at the provider, with its cookies. @returns where the provider sends it in the end: to the client. */
  visitor(login: string | 'denies'): (url: string) => Promise<string>;
}

/** @param options.callbacks redirect URIs. @param options.inIdToken whether the ID token has the e-mail address. */
export async function startProvider(options: {
  readonly callbacks: readonly string[];
  readonly inIdToken?: boolean;
}): Promise<TestProvider> {
  const port = freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const people = new Map<string, Claims>();
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        redirect_uris: [...options.callbacks],
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
    conformIdTokenClaims: options.inIdToken !== true,
    cookies: { keys: ['a key of the tests'] },
    pkce: { required: () => true },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...people.get(id) }) }),
  });
  const asked: string[] = [];
  const handle = provider.callback();
  const server = createServer((request, response) => {
    asked.push((request.url ?? '').replace(/\?.*/, ''));
    void handle(request, response);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(port, '127.0.0.1', resolve);
  await promise;
  return {
    issuer,
    env: {
      OIDC_ISSUER: issuer,
      OIDC_CLIENT_ID: CLIENT.id,
      OIDC_CLIENT_SECRET: CLIENT.secret,
      OIDC_NAME: 'Keycloak',
    },
    people,
    asked,
    visitor: (login) => visitor(issuer, login),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Follows redirects, and answers the pages of sign-in and consent, until the provider sends the browser elsewhere. */
function visitor(issuer: string, login: string): (url: string) => Promise<string> {
  const cookies = new Bun.CookieMap();
  return async (start) => {
    let url = start;
    let form: Record<string, string> | undefined;
    for (;;) {
      const response = await fetch(url, {
        redirect: 'manual',
        headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
        ...(form && { method: 'POST', body: new URLSearchParams(form) }),
      });
      for (const line of response.headers.getSetCookie()) {
        const { name, value } = Bun.Cookie.parse(line);
        cookies.set(name, value);
      }
      const to = response.headers.get('location');
      form = undefined;
      if (to !== null) {
        url = new URL(to, url).href;
        if (!url.startsWith(issuer)) return url;
        continue;
      }
      const page = await response.text();
      const action = (login === 'denies' ? /href="([^"]*\/abort)"/ : /action="([^"]+)"/).exec(page)?.[1];
      if (action === undefined) throw new Error(`The provider's page has no way on (${response.status}): ${page}`);
      const isConsent = page.includes('value="consent"');
      if (login !== 'denies') form = isConsent ? { prompt: 'consent' } : { prompt: 'login', login, password: 'x' };
      url = new URL(action, url).href;
    }
  };
}
