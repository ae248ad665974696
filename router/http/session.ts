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
 * Route options: `{ session: true }` for pages and `/api`, `{ caller: true }` for `/v1`, both with a typed `who`;
 * `{ visitor: true }` where signing in is optional. The JWT only carries a session's id: the row decides (law 20).
 */
export function sessionPlugin(deps: SessionDeps) {
  const { accounts, keys, cookie: settings } = deps;

  return new Elysia({ name: 'session' })
    .use(jwt({ name: 'jwt', secret: deps.jwtSecret, alg: 'HS256' }))
    .derive({ as: 'global' }, ({ jwt, cookie }) => {
      async function fromToken(token: unknown): Promise<Who | undefined> {
        if (typeof token !== 'string' || token === '') return undefined;
        const claims = await jwt.verify(token);
        if (!claims || typeof claims.jti !== 'string') return undefined;
        const found = await accounts.findSession(claims.jti);
        return found && { user: found.user, credentialId: found.session.id, session: found.session };
      }
      return {
        identify: {
          byCookie: () => fromToken(cookie[settings.name]?.value),
          async byBearer(header: string): Promise<Who | undefined> {
            const credential = /^Bearer\s+(\S+)$/i.exec(header)?.[1];
            if (credential === undefined) return undefined;
            if (!credential.startsWith(KEY_PREFIX)) return fromToken(credential);
            const found = await keys.find(credential);
            return found && { user: found.user, credentialId: found.keyId };
          },
        },
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
        async resolve({ identify }: Identified) {
          return { who: await identify.byCookie() };
        },
      },
      session: {
        async resolve({ identify }: Identified) {
          const who = await identify.byCookie();
          if (!who) throw new AppError('signed_out', { message: 'Sign in first.' });
          return { who };
        },
      },
      caller: {
        async resolve({ identify, request }: Identified & { request: Request }) {
          const header = request.headers.get('authorization');
          // A Bearer credential says who the caller means to be; a cookie may only come along.
          const who = header === null ? await identify.byCookie() : await identify.byBearer(header);
          if (!who)
            throw new AppError(
              'signed_out',
              header === null ? {} : { message: 'That API key is not valid, or was revoked.' },
            );
          return { who };
        },
      },
    });
}

interface Identified {
  readonly identify: {
    byCookie(): Promise<Who | undefined>;
    byBearer(header: string): Promise<Who | undefined>;
  };
}
