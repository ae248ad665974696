/** Who is asking: a browser session in a cookie, or a personal key (or session token) as a Bearer credential. */
import { jwt } from '@elysiajs/jwt';
import { Elysia } from 'elysia';
import { AppError } from '../lib/errors';
import type { Guard } from '../web/guard';
import type { AccountsService } from './accounts';
import { KEY_PREFIX, type KeysService } from './keys';
import type { Key, KeyScope } from './keys-store';
import type { Session, User } from './store';

/**
 * What a key with the scope `manage` opens: its owner's own affairs, as JSON. A list, so that what may be added below
 * `/api/me`, such as a password, is not opened by all keys that exist.
 */
const MANAGED = /^\/api\/(runners|me\/(budgets|env-overrides|keys|usage))(\/|$)/;

/** Somebody who has proved who they are. `credentialId` is what must stay good for their streams to go on. */
export interface Who {
  readonly user: User;
  readonly credentialId: string;
  /** Present for a browser session. */
  readonly session?: Session;
  /** Present where a key was shown. */
  readonly key?: Key;
}

export interface SessionDeps {
  readonly accounts: AccountsService;
  readonly keys: KeysService;
  readonly jwtSecret: string;
  readonly cookie: { readonly name: string; readonly secure: boolean; readonly maxAgeSeconds: number };
}

export type SessionPlugin = ReturnType<typeof sessionPlugin>;
export type CallerPlugin = ReturnType<typeof callerPlugin>;

function tokens({ jwtSecret }: SessionDeps) {
  return jwt({ name: 'jwt', secret: jwtSecret, alg: 'HS256' });
}

/** What can tell whether a token is one of ours. */
type Verifier = { verify(token: string, options: { algorithms: string[] }): Promise<false | TokenClaims> };
type TokenClaims = { readonly [claim: string]: unknown };

/** Who holds a session's token. The JWT only carries a session's id: the row decides (law 20). */
async function fromToken({ accounts }: SessionDeps, jwt: Verifier, token: unknown): Promise<Who | undefined> {
  if (typeof token !== 'string' || token === '') return undefined;
  const claims = await jwt.verify(token, { algorithms: ['HS256'] });
  // One that never ends was not made here.
  if (!claims || typeof claims.jti !== 'string' || typeof claims.exp !== 'number') return undefined;
  const found = await accounts.findSession(claims.jti);
  if (!found || found.user.id !== claims.sub) return undefined;
  return { user: found.user, credentialId: found.session.id, session: found.session };
}

/** Who shows this Authorization header: a key, or a session's own token, which is as good as its cookie. */
async function fromBearer(deps: SessionDeps, jwt: Verifier, header: string): Promise<Who | undefined> {
  const credential = /^Bearer\s+(\S+)$/i.exec(header)?.[1];
  if (!credential?.startsWith(KEY_PREFIX)) return fromToken(deps, jwt, credential);
  const found = await deps.keys.find(credential);
  return found && { user: found.user, credentialId: found.key.id, key: found.key };
}

/** Not by Elysia's own cookies: where one route wants those, every request of every route has its own taken apart. */
function cookieOf(headers: Headers, name: string): string | undefined {
  return new Bun.CookieMap(headers.get('cookie') ?? '').get(name) ?? undefined;
}

function signInCookie({ name, secure }: SessionDeps['cookie'], value: string, maxAge: number): string {
  return new Bun.Cookie({ name, value, maxAge, secure, path: '/', httpOnly: true, sameSite: 'lax' }).serialize();
}

/**
 * The route option `{ caller: true }` of `/v1`, with a typed `who`. By itself, because every request of a program passes here.
 */
export function callerPlugin(deps: SessionDeps & { readonly guard: Pick<Guard, 'trustsCookie'> }) {
  const { name } = deps.cookie;
  return new Elysia({ name: 'caller' }).use(tokens(deps)).macro({
    caller: {
      resolve: async ({ request, jwt }: { request: Request; jwt: Verifier }) => {
        const { headers } = request;
        // A Bearer credential says who the caller means to be; a cookie may only come along.
        const header = headers.get('authorization');
        const who = await (header === null
          ? deps.guard.trustsCookie(request) && fromToken(deps, jwt, cookieOf(headers, name))
          : fromBearer(deps, jwt, header));
        if (!who) {
          const isGiven = header !== null;
          throw new AppError('signed_out', isGiven ? { message: 'That API key is not valid, or was revoked.' } : {});
        }
        if (who.key) requireScope(who.key, 'v1');
        return { who };
      },
    },
  });
}

/**
 * Route options: `{ session: true }` for pages and `/api`, `{ admin: true }` for those of the administrator, both with a
 * typed `who`; `{ visitor: true }` where signing in is optional. A key opens what its scopes say.
 */
export function sessionPlugin(deps: SessionDeps) {
  const { accounts, cookie: settings } = deps;

  return new Elysia({ name: 'session' })
    .use(tokens(deps))
    .derive({ as: 'global' }, ({ jwt, request, set }) => ({
      identify: identifier({
        cookie: () => fromToken(deps, jwt, cookieOf(request.headers, settings.name)),
        bearer: (header) => fromBearer(deps, jwt, header),
      }),
      signInCookie: {
        async set(user: User): Promise<void> {
          const session = await accounts.openSession(user.id);
          const exp = Math.floor(session.expiresAtMs / 1000);
          const token = await jwt.sign({ sub: user.id, jti: session.id, exp });
          set.headers['set-cookie'] = signInCookie(settings, token, settings.maxAgeSeconds);
        },
        clear(): void {
          set.headers['set-cookie'] = signInCookie(settings, '', 0);
        },
      },
    }))
    .macro({
      visitor: {
        resolve: async ({ identify }: Identified) => ({ who: await identify.visitor() }),
      },
      // Asked before validation, so that a stranger learns nothing of what a route wants, and again for the result.
      session: {
        transform: async ({ identify, request }: Identified & Asked) => void (await identify.session(request)),
        resolve: async ({ identify, request }: Identified & Asked) => ({ who: await identify.session(request) }),
      },
      admin: {
        transform: async ({ identify, request }: Identified & Asked) => void (await identify.admin(request)),
        resolve: async ({ identify, request }: Identified & Asked) => ({ who: await identify.admin(request) }),
      },
    });
}

interface Asked {
  readonly request: Request;
}

interface Identified {
  readonly identify: Identifier;
}

/** Who sends this request, looked up once. */
interface Identifier {
  visitor(): Promise<Who | undefined>;
  /** Throws `signed_out`, or `forbidden` for a key that does not open this. */
  session(request: Request): Promise<Who>;
  /** Throws `signed_out`, or `forbidden` for everybody but the administrator. */
  admin(request: Request): Promise<Who>;
}

type Ask = (header: string) => Promise<Who | undefined>;

function identifier(from: { cookie(): Promise<Who | undefined>; bearer: Ask }): Identifier {
  let byCookie: Promise<Who | undefined> | undefined;
  let byHeader: Promise<Who | undefined> | undefined;
  const visitor = () => {
    byCookie ??= from.cookie();
    return byCookie;
  };
  const byAuthorization = (request: Request) => {
    const header = request.headers.get('authorization');
    if (header !== null) byHeader ??= from.bearer(header);
    return byHeader;
  };
  const session = async (request: Request) => {
    const who = (await visitor()) ?? (await byAuthorization(request));
    if (!who) throw new AppError('signed_out', { message: 'Sign in first.' });
    if (who.key) requireManaging(who.key, request);
    return who;
  };
  return {
    visitor,
    session,
    async admin(request) {
      const who = await session(request);
      if (who.user.role !== 'admin')
        throw new AppError('forbidden', { message: 'Only the administrator may do this.' });
      return who;
    },
  };
}

/** Pages, and what concerns others than its owner, are no key's business. */
function requireManaging(key: Key, request: Request): void {
  if (!MANAGED.test(new URL(request.url).pathname)) {
    throw new AppError('signed_out', { message: 'An API key does not open this. Sign in first.' });
  }
  requireScope(key, 'manage');
}

function requireScope(key: Key, scope: KeyScope): void {
  if (key.scopes.includes(scope)) return;
  const opened = scope === 'v1' ? '/v1' : '/api/me and /api/runners';
  throw new AppError('forbidden', {
    message: `The key "${key.name}" lacks the scope "${scope}", which opens ${opened}. Use another key.`,
  });
}
