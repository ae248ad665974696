/** What a new key may be used for: what was asked, held against what its owner has. */
import { AppError } from '../lib/errors';
import type { KeyGrant } from './keys';
import type { KeyScope } from './keys-store';

/** What a new key is to be, as the API names it; what is left out is not limited. */
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
  /** Whether a chat that waits is sent empty events beside its comments. */
  readonly events_while_waiting?: boolean | undefined;
}

/** What there is to be granted: backends, and the agents of a user. */
export interface GrantDeps {
  readonly backends: { find(name: string): object | undefined };
  readonly agents: { list(userId: string): Promise<readonly { readonly id: string; readonly name: string }[]> };
}

/** Throws `invalid_fields` for a backend or an agent that the user does not have. */
export async function grantOf(
  { backends: known, agents: owned }: GrantDeps,
  userId: string,
  asked: NewKey,
): Promise<KeyGrant> {
  const { scopes, backends = [], agents = [], expires_at: expiresAt } = asked;
  const fields: Record<string, string> = {};
  const backend = backends.find((name) => !known.find(name));
  if (backend !== undefined) fields.backends = `There is no backend "${backend}"`;
  const own = new Set((await owned.list(userId)).map(({ id }) => id));
  const agent = agents.find((id) => !own.has(id));
  if (agent !== undefined) fields.agents = `You have no agent "${agent}"`;
  if (Object.keys(fields).length > 0) throw new AppError('invalid_fields', { fields });
  return {
    // What is not a scope is refused with the other fields.
    ...(scopes && { scopes: scopes as readonly KeyScope[] }),
    backends,
    agents,
    expiresAtMs: expiresAt == null ? null : Math.round(expiresAt * 1000),
    requestsPerMinute: asked.requests_per_minute ?? null,
    tokensPerMinute: asked.tokens_per_minute ?? null,
    concurrentMax: asked.concurrent_requests ?? null,
    eventsWhileWaiting: asked.events_while_waiting ?? false,
  };
}
