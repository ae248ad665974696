/** Presents keys for pages and the API, and reads the form and the JSON for a new key. */
import type { KeyView } from '../../views/models';
import type { Context } from '../context';
import { AppError } from '../lib/errors';
import { numberOf } from '../usage/present';
import type { Who } from './identify';
import type { KeyGrant } from './keys';
import type { Key, KeyScope } from './keys-store';

const DAY_MS = 86_400_000;

/** The members of a new key, as the API names them; a missing member means no limit. */
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
  /** Whether a waiting chat gets empty events in addition to comments. */
  readonly events_while_waiting?: boolean | undefined;
}

/** The fields of the form on the settings page. */
export interface KeyFields {
  readonly name: string;
  readonly scopes?: string | undefined;
  readonly backends?: string | string[] | undefined;
  readonly expires_at?: string | undefined;
  readonly requests_per_minute?: string | undefined;
  readonly tokens_per_minute?: string | undefined;
  readonly concurrent_requests?: string | undefined;
  /** Present when the box is ticked. */
  readonly events_while_waiting?: string | undefined;
}

/** Turns the typed fields into the request for a key, and into the values that a refused form shows again. */
export function typedKey(fields: KeyFields): { asked: NewKey; values: Record<string, string> } {
  const { name, scopes = 'v1', backends = [], expires_at: day = '' } = fields;
  const chosen = [backends].flat();
  const isEventful = fields.events_while_waiting !== undefined;
  const limits = {
    requests_per_minute: fields.requests_per_minute ?? '',
    tokens_per_minute: fields.tokens_per_minute ?? '',
    concurrent_requests: fields.concurrent_requests ?? '',
  };
  return {
    asked: {
      name,
      scopes: scopes.split(' '),
      backends: chosen,
      // The key is valid until the end of the day.
      expires_at: day === '' ? null : (Date.parse(`${day}T00:00:00Z`) + DAY_MS) / 1000,
      requests_per_minute: numberOf(limits.requests_per_minute),
      tokens_per_minute: numberOf(limits.tokens_per_minute),
      concurrent_requests: numberOf(limits.concurrent_requests),
      events_while_waiting: isEventful,
    },
    values: {
      ...{ name, scopes, backends: chosen.join(' '), expires_at: day, ...limits },
      ...(isEventful && { events_while_waiting: 'on' }),
    },
  };
}

/** Throws `invalid_fields` for a backend or an agent that the user does not have. */
export async function grantOf(context: Context, who: Who, asked: NewKey): Promise<KeyGrant> {
  const { scopes, backends = [], agents = [], expires_at: expiresAt } = asked;
  const fields: Record<string, string> = {};
  const backend = backends.find((name) => !context.backends.find(name));
  if (backend !== undefined) fields.backends = `There is no backend "${backend}"`;
  const own = new Set((await context.agents.list(who.user.id)).map(({ id }) => id));
  const agent = agents.find((id) => !own.has(id));
  if (agent !== undefined) fields.agents = `You have no agent "${agent}"`;
  if (Object.keys(fields).length > 0) throw new AppError('invalid_fields', { fields });
  return {
    // An unknown scope is refused together with the other fields.
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

/** Times are seconds since the epoch. Contains neither the key nor its hash. */
export function keyJson(key: Key) {
  const seconds = (atMs: number | null) => (atMs === null ? null : Math.floor(atMs / 1000));
  return {
    id: key.id,
    name: key.name,
    last_four: key.lastFour,
    scopes: key.scopes,
    backends: key.backends,
    agents: key.agents,
    expires_at: seconds(key.expiresAtMs),
    requests_per_minute: key.requestsPerMinute,
    tokens_per_minute: key.tokensPerMinute,
    concurrent_requests: key.concurrentMax,
    ...(key.eventsWhileWaiting && { events_while_waiting: true }),
    created_at: seconds(key.createdAtMs),
    last_used_at: seconds(key.lastUsedAtMs),
  };
}

/** @param agents names by id, of agents that a key may be limited to. */
export function keyView({ backends }: Context, key: Key, agents: ReadonlyMap<string, string>): KeyView {
  const { id, name, lastFour, createdAtMs, lastUsedAtMs, expiresAtMs } = key;
  return {
    id,
    name,
    lastFour,
    createdAtMs,
    ...(lastUsedAtMs !== null && { lastUsedAtMs }),
    ...(expiresAtMs !== null && { expiresAtMs, isExpired: expiresAtMs <= Date.now() }),
    canManage: key.scopes.includes('manage'),
    only: [
      ...key.backends.map((one) => backends.find(one)?.displayName ?? one),
      ...key.agents.map((one) => agents.get(one) ?? one),
    ],
    ...(key.requestsPerMinute !== null && { requestsPerMinute: key.requestsPerMinute }),
    ...(key.tokensPerMinute !== null && { tokensPerMinute: key.tokensPerMinute }),
    ...(key.concurrentMax !== null && { concurrentMax: key.concurrentMax }),
    hasEventsWhileWaiting: key.eventsWhileWaiting,
  };
}
