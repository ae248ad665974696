/** Validates the request for a new key against the backends and agents of its owner. */
import { AppError } from '../../lib/errors';
import type { KeyGrant } from './keys';
import type { KeyScope } from './store';

/** The request for a key, with the names of the API. A missing member means no limit. */
export interface NewKey {
  readonly name: string;
  readonly scopes?: readonly string[] | undefined;
  readonly backends?: readonly string[] | undefined;
  readonly agents?: readonly string[] | undefined;
  /** Seconds since the epoch. */
  readonly expires_at?: number | null | undefined;
  readonly requests_per_minute?: number | null | undefined;
  readonly tokens_per_minute?: number | null | undefined;
  readonly concurrent_requests?: number | null | undefined;
  /** Whether a waiting chat is sent empty events in addition to comments. */
  readonly events_while_waiting?: boolean | undefined;
}

/** The backends, and the agents of a user, that a key may be limited to. */
export interface GrantDeps {
  readonly backends: { find(name: string): object | undefined };
  readonly agents: { list(userId: string): Promise<readonly { readonly id: string; readonly name: string }[]> };
}

/** Throws `invalid_fields` for a backend or an agent that the user does not have. */
export async function grantOf(
  { backends: known, agents: owned }: GrantDeps,
  userId: string,
  requested: NewKey,
): Promise<KeyGrant> {
  const { scopes, backends = [], agents = [], expires_at: expiresAt } = requested;
  const fields: Record<string, string> = {};
  const backend = backends.find((name) => !known.find(name));
  if (backend !== undefined) fields.backends = `There is no backend "${backend}"`;
  const own = new Set((await owned.list(userId)).map(({ id }) => id));
  const agent = agents.find((id) => !own.has(id));
  if (agent !== undefined) fields.agents = `You have no agent "${agent}"`;
  if (Object.keys(fields).length > 0) throw new AppError('invalid_fields', { fields });
  return {
    // Unknown scopes are reported together with the other fields.
    ...(scopes && { scopes: scopes as readonly KeyScope[] }),
    backends,
    agents,
    expiresAtMs: expiresAt == null ? null : Math.round(expiresAt * 1000),
    requestsPerMinute: requested.requests_per_minute ?? null,
    tokensPerMinute: requested.tokens_per_minute ?? null,
    concurrentMax: requested.concurrent_requests ?? null,
    eventsWhileWaiting: requested.events_while_waiting ?? false,
  };
}
