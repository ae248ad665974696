/** Presents keys for pages and the API, and reads the form and the JSON for a new key. */
import type { KeyView } from '../../../views/accounts/models';
import { numberOf } from '../../lib/text';
import { DAY_MS, unixSeconds } from '../../lib/time';
import type { NewKey } from './grant';
import type { Key } from './store';

/** The fields of the form on the settings page. */
interface KeyFields {
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
export function typedKey(fields: KeyFields): { requested: NewKey; values: Record<string, string> } {
  const { name, scopes = 'v1', backends = [], expires_at: day = '' } = fields;
  const chosen = [backends].flat();
  const isEventful = fields.events_while_waiting !== undefined;
  const limits = {
    requests_per_minute: fields.requests_per_minute ?? '',
    tokens_per_minute: fields.tokens_per_minute ?? '',
    concurrent_requests: fields.concurrent_requests ?? '',
  };
  return {
    requested: {
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

/** Times are seconds since the epoch. Neither the key itself nor its hash is in it. */
export function keyJson(key: Key) {
  return {
    id: key.id,
    name: key.name,
    last_four: key.lastFour,
    scopes: key.scopes,
    backends: key.backends,
    agents: key.agents,
    expires_at: unixSeconds(key.expiresAtMs),
    requests_per_minute: key.requestsPerMinute,
    tokens_per_minute: key.tokensPerMinute,
    concurrent_requests: key.concurrentMax,
    ...(key.eventsWhileWaiting && { events_while_waiting: true }),
    created_at: unixSeconds(key.createdAtMs),
    last_used_at: unixSeconds(key.lastUsedAtMs),
  };
}

/** Display names of a key's backends. */
export interface KeyViewDeps {
  readonly backends: { find(name: string): { readonly displayName: string } | undefined };
}

/** @param agents Agent id → name, of the agents that a key may be limited to. */
export function keyView({ backends }: KeyViewDeps, key: Key, agents: ReadonlyMap<string, string>): KeyView {
  const { id, name, lastFour, createdAtMs, lastUsedAtMs, expiresAtMs } = key;
  return {
    id,
    name,
    lastFour,
    createdAtMs,
    ...(lastUsedAtMs !== null && { lastUsedAtMs }),
    ...(expiresAtMs !== null && { expiresAtMs, isExpired: expiresAtMs <= Date.now() }),
    canManage: key.scopes.includes('manage'),
    opensAgents: key.scopes.includes('agents'),
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
