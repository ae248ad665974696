/** Who is asking: a browser session in a cookie, or a personal key (or session token) as a Bearer credential. */
import { jwt } from '@elysiajs/jwt';
import { Elysia } from 'elysia';
import { AppError } from '../errors';
import type { AccountsService } from '../services/accounts';
import { KEY_PREFIX, type KeysService } from '../services/keys';
import type { Session, User } from '../stores/users';

/** Somebody who has proved who they are. `credentialId` is what must stay good for their streams to go on. */
export interface Who {
  readonly user: User;
  readonly credentialId: string;
  /** Present for a browser session. */
  readonly session?: Session;
}

export interface SessionDeps {
  readonly accounts: AccountsService;
  readonly keys: KeysService;
  readonly jwtSecret: string;
  readonly cookie: { readonly name: string; readonly secure: boolean; readonly maxAgeSeconds: number };
}

export type SessionPlugin = ReturnType<typeof sessionPlugin>;

/**
 * Route options: `{ session: true }` for pages and `/api`, `{ admin: true }` for those of the administrator,
 * `{ caller: true }` for `/v1`, all with a typed `who`; `{ visitor: true }` where signing in is optional. The JWT only carries a session's id: the row decides (law 20).
 */
export function sessionPlugin(deps: SessionDeps) {
  const { accounts, keys, cookie: settings } = deps;

  return new Elysia({ name: 'session' })
    .use(jwt({ name: 'jwt', secret: deps.jwtSecret, alg: 'HS256' }))
    .derive({ as: 'global' }, ({ jwt, cookie }) => {
      async function fromToken(token: unknown): Promise<Who | undefined> {
        if (typeof token !== 'string' || token === '') return undefined;
        const claims = await jwt.verify(token, { algorithms: ['HS256'] });
        // One that never ends was not made here.
        if (!claims || typeof claims.jti !== 'string' || typeof claims.exp !== 'number') return undefined;
        const found = await accounts.findSession(claims.jti);
        if (!found || found.user.id !== claims.sub) return undefined;
        return { user: found.user, credentialId: found.session.id, session: found.session };
      }
      async function fromBearer(header: string): Promise<Who | undefined> {
        const credential = bearer(header);
        if (!credential?.startsWith(KEY_PREFIX)) return fromToken(credential);
        const found = await keys.find(credential);
        return found && { user: found.user, credentialId: found.keyId };
      }
      return {
        identify: identifier({
          cookie: () => fromToken(cookie[settings.name]?.value),
          // A key opens `/v1` only; a session's own token is as good as its cookie, as it was in the predecessor.
          token: (header) => fromToken(bearer(header)),
          bearer: fromBearer,
        }),
        signInCookie: {
          async set(user: User): Promise<void> {
            const session = await accounts.openSession(user.id);
            const exp = Math.floor(session.expiresAtMs / 1000);
            cookie[settings.name]?.set({
              value: await jwt.sign({ sub: user.id, jti: session.id, exp }),
              httpOnly: true,
              sameSite: 'lax',
              secure: settings.secure,
              path: '/',
              maxAge: settings.maxAgeSeconds,
            });
          },
          clear(): void {
            cookie[settings.name]?.set({
              value: '',
              httpOnly: true,
              sameSite: 'lax',
              secure: settings.secure,
              path: '/',
              maxAge: 0,
            });
          },
        },
      };
    })
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
      caller: {
        transform: async ({ identify, request }: Identified & Asked) => void (await identify.caller(request)),
        resolve: async ({ identify, request }: Identified & Asked) => ({ who: await identify.caller(request) }),
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
  /** Throws `signed_out`. */
  session(request: Request): Promise<Who>;
  /** Throws `signed_out`, or `forbidden` for everybody but the administrator. */
  admin(request: Request): Promise<Who>;
  /** Throws `signed_out`. */
  caller(request: Request): Promise<Who>;
}

type Ask = (header: string) => Promise<Who | undefined>;

function identifier(from: { cookie(): Promise<Who | undefined>; token: Ask; bearer: Ask }): Identifier {
  let byCookie: Promise<Who | undefined> | undefined;
  let byHeader: Promise<Who | undefined> | undefined;
  const visitor = () => {
    byCookie ??= from.cookie();
    return byCookie;
  };
  const byAuthorization = (request: Request, ask: Ask) => {
    const header = request.headers.get('authorization');
    if (header !== null) byHeader ??= ask(header);
    return byHeader;
  };
  const session = async (request: Request) => {
    const who = (await visitor()) ?? (await byAuthorization(request, from.token));
    if (!who) throw new AppError('signed_out', { message: 'Sign in first.' });
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
    async caller(request) {
      // A Bearer credential says who the caller means to be; a cookie may only come along.
      const asked = byAuthorization(request, from.bearer);
      const who = await (asked ?? visitor());
      if (who) return who;
      throw new AppError('signed_out', asked ? { message: 'That API key is not valid, or was revoked.' } : {});
    },
  };
}

function bearer(header: string): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(header)?.[1];
}
