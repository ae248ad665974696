/** Makes the parts of this subject. */
import type { Config, Secrets } from '../config/config';
import type { Events } from '../lib/events';
import { accountsService } from './accounts';
import { rateLimitsService } from './key-limits';
import { keysService } from './keys';
import type { KeysStore } from './keys-store';
import type { UsersStore } from './store';

export function wireAccounts(uses: {
  config: Pick<Config, 'session' | 'signup'>;
  secrets: Pick<Secrets, 'inviteCode'>;
  stores: { users: UsersStore; keys: KeysStore };
  events: Events;
  now: () => number;
  steady: () => number;
}) {
  const { config, secrets, stores, events, now, steady } = uses;
  const { inviteCode } = secrets;
  const accounts = accountsService({
    users: stores.users,
    events,
    signup: { open: config.signup.open, ...(inviteCode !== undefined && { inviteCode }) },
    sessionTtlSeconds: config.session.ttlSeconds,
    now,
  });
  const rateLimits = rateLimitsService({ now: steady });
  events.onRevoked((_, credentialId) => rateLimits.forget(credentialId));
  return { accounts, keys: keysService({ keys: stores.keys, events, now }), rateLimits };
}
