/**
 * Identifies the sender of a request: a browser session in a cookie, or a personal key (or session token) as a Bearer
 * credential.
 */
import { jwt } from '@elysiajs/jwt';
import { Elysia } from 'elysia';
import type { Server } from 'elysia/universal';
import type { AuditAction, AuditService } from '../audit/audit';
import { AppError } from '../lib/errors';
import { type Soon, whenThere } from '../lib/lookup';
import { unixSeconds } from '../lib/time';
import type { Clients } from '../web/clients';
import type { Guard } from '../web/guard';
import { type Reader, setReader } from '../web/reader';
import { audited, type Handled } from './audited';
import { KEY_PREFIX, type KeysService } from './keys/keys';
import { requireOpened, requireScope } from './keys/scopes';
import type { Key } from './keys/store';
import type { SessionsService } from './sessions/sessions';
import type { Session } from './sessions/store';
import type { User } from './users/store';

/** An authenticated sender of a request. `credentialId` is the session or key whose end also ends the caller's streams. */
export interface Caller {
  readonly user: User;
  readonly credentialId: string;
  /** Present for a browser session. */
  readonly session?: Session;
  /** Present when a key was sent. */
  readonly key?: Key;
}

/** The user of pages and of `/api`, with their language. */
export type Who = Caller & Reader;

interface SessionDeps {
  readonly sessions: SessionsService;
  readonly keys: KeysService;
  readonly clients: Clients;
  readonly audit: Pick<AuditService, 'record'>;
  /** What people call a user or a key with this id. */
  readonly nameOf: (id: string) => Promise<string | undefined>;
  readonly jwtSecret: string;
  /** Returns the listener. Reading it from Elysia's context in a hook of all routes would cost each request two properties. */
  readonly serverOf: () => Server | null;
  readonly cookie: { readonly name: string; readonly secure: boolean; readonly maxAgeSeconds: number };
}

export type SessionPlugin = ReturnType<typeof sessionPlugin>;
export type CallerPlugin = ReturnType<typeof callerPlugin>;

/** Senders of requests that are being answered. */
const known = new WeakMap<Request, Who>();

/** Who sent a request, if a route has asked for that already: for the error page, which asks for nothing. */
export function knownSender(request: Request): Who | undefined {
  return known.get(request);
}

function tokens({ jwtSecret }: SessionDeps) {
  return jwt({ name: 'jwt', secret: jwtSecret, alg: 'HS256' });
}

/** Verifies that a token is one that this router signed. */
type Verifier = { verify(token: string, options: { algorithms: string[] }): Promise<false | TokenClaims> };
type TokenClaims = { readonly [claim: string]: unknown };

/** Resolves a session token. The JWT only carries the session's id: the row in the database decides (law 20). */
async function fromToken({ sessions }: SessionDeps, jwt: Verifier, token: unknown): Promise<Caller | undefined> {
  if (typeof token !== 'string' || token === '') return undefined;
  const claims = await jwt.verify(token, { algorithms: ['HS256'] });
  // This router issues no token without exp.
  if (!claims || typeof claims.jti !== 'string' || typeof claims.exp !== 'number') return undefined;
  const found = await sessions.find(claims.jti);
  if (!found || found.user.id !== claims.sub) return undefined;
  return { user: found.user, credentialId: found.session.id, session: found.session };
}

/** Resolves a Bearer key or session token; the token is as good as the cookie. Throws `signed_out` for any other form. */
function fromBearer(deps: SessionDeps, jwt: Verifier, header: string): Soon<Caller | undefined> {
  const credential = /^Bearer\s+(\S+)$/i.exec(header)?.[1];
  // A key without the word before it is often a valid one.
  if (credential === undefined) throw new AppError('signed_out');
  if (!credential.startsWith(KEY_PREFIX)) return fromToken(deps, jwt, credential);
  return whenThere(deps.keys.find(credential), ofKey);
}

function ofKey(found: { readonly user: User; readonly key: Key } | undefined): Caller | undefined {
  return found && { user: found.user, credentialId: found.key.id, key: found.key };
}

/** Parsed here, not by Elysia: if one route uses Elysia's cookies, Elysia parses the cookies of every request. */
function cookieOf(headers: Headers, name: string): string | undefined {
  return new Bun.CookieMap(headers.get('cookie') ?? '').get(name) ?? undefined;
}

function signInCookie({ name, secure }: SessionDeps['cookie'], value: string, maxAge: number): string {
  return new Bun.Cookie({ name, value, maxAge, secure, path: '/', httpOnly: true, sameSite: 'lax' }).serialize();
}

function admittedByKey(who: Caller | undefined): { who: Caller } {
  if (!who) throw new AppError('signed_out', { message: 'That API key is not valid, or was revoked.' });
  if (who.key) requireScope(who.key, 'v1');
  return { who };
}

function admittedByCookie(who: Caller | undefined): { who: Caller } {
  if (!who) throw new AppError('signed_out');
  return { who };
}

/**
 * The route option `{ caller: true }` of `/v1`, with a typed `who`. A plugin of its own, because every request of a
 * program passes through it.
 */
export function callerPlugin(deps: SessionDeps & { readonly guard: Pick<Guard, 'trustsCookie'> }) {
  const { name } = deps.cookie;
  return new Elysia({ name: 'caller' }).use(tokens(deps)).macro({
    caller: {
      resolve: ({ request, jwt }: { request: Request; jwt: Verifier }): Soon<{ who: Caller }> => {
        const { headers } = request;
        // Elysia awaits the result because it finds a call behind a `return` in the source of this function.
        // A Bearer credential is chosen by the caller; a cookie may be sent along by the browser.
        const header = headers.get('authorization');
        if (header !== null) return whenThere(fromBearer(deps, jwt, header), admittedByKey);
        if (!deps.guard.trustsCookie(request)) throw new AppError('signed_out');
        return fromToken(deps, jwt, cookieOf(headers, name)).then(admittedByCookie);
      },
    },
  });
}

/**
 * Route options: `{ session: true }` for pages and `/api`, `{ admin: true }` for the administrator's routes, both with
 * a typed `who`; `{ visitor: true }` where signing in is optional. A key opens only what its scopes allow.
 * `{ audit: '<action>' }` beside one of the first two records each request that was not refused.
 */
export function sessionPlugin(deps: SessionDeps) {
  const { sessions, cookie: settings } = deps;
  const record = audited(deps);

  return new Elysia({ name: 'session' })
    .use(tokens(deps))
    .derive({ as: 'global' }, ({ jwt, request, set }) => ({
      identify: identifier(request, {
        cookie: () => fromToken(deps, jwt, cookieOf(request.headers, settings.name)),
        bearer: async (header) => fromBearer(deps, jwt, header),
      }),
      signInCookie: {
        /** @param action by which the user got in, and `detail` how. */
        async set(user: User, action: AuditAction = 'sign-in.done', detail = ''): Promise<void> {
          const address = deps.clients.address(request, deps.serverOf());
          await deps.audit.record({ action, actor: user, detail, address });
          const session = await sessions.open(user.id, {
            address,
            browser: request.headers.get('user-agent') ?? '',
          });
          const exp = unixSeconds(session.expiresAtMs);
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
      // Checked before validation, so that a stranger learns nothing about a route's fields, and again for the typed
      // result.
      session: {
        transform: async ({ identify }: Identified) => void (await identify.session()),
        resolve: async ({ identify }: Identified) => ({ who: await identify.session() }),
      },
      admin: {
        transform: async ({ identify }: Identified) => void (await identify.admin()),
        resolve: async ({ identify }: Identified) => ({ who: await identify.admin() }),
      },
    })
    .macro({
      audit: (action: AuditAction) => ({
        beforeHandle: (handled) => record.before(handled),
        afterHandle: (handled) => record.after(action, handled as unknown as Handled),
      }),
    });
}

interface Identified {
  readonly identify: Identifier;
}

/** Identifies the sender of a request, once per request. */
interface Identifier {
  visitor(): Promise<Who | undefined>;
  /** Throws `signed_out`, or `forbidden` for a key that may not use this path. */
  session(): Promise<Who>;
  /** Throws `signed_out`, or `forbidden` for users who are not administrators. */
  admin(): Promise<Who>;
}

type FindCaller = (header: string) => Promise<Caller | undefined>;

function identifier(request: Request, from: { cookie(): Promise<Caller | undefined>; bearer: FindCaller }): Identifier {
  const asWho = (caller: Caller | undefined) => {
    const who = caller && { ...caller, ...setReader(request, caller.user.language) };
    if (who) known.set(request, who);
    return who;
  };
  let byCookie: Promise<Who | undefined> | undefined;
  let byHeader: Promise<Who | undefined> | undefined;
  const visitor = () => {
    byCookie ??= from.cookie().then(asWho);
    return byCookie;
  };
  const byAuthorization = () => {
    const header = request.headers.get('authorization');
    if (header !== null) byHeader ??= from.bearer(header).then(asWho);
    return byHeader;
  };
  const session = async () => {
    const who = (await visitor()) ?? (await byAuthorization());
    if (!who) throw new AppError('signed_out', { message: 'Sign in first.' });
    if (who.key) requireOpened(who.key, new URL(request.url));
    return who;
  };
  return {
    visitor,
    session,
    async admin() {
      const who = await session();
      if (who.user.role !== 'admin')
        throw new AppError('forbidden', { message: 'Only the administrator may do this.' });
      return who;
    },
  };
}
