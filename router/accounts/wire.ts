/** Makes the parts of this subject. */
import type { Config, Secrets } from '../config/config';
import type { Events } from '../lib/events';
import { accountsService } from './accounts';
import { rateLimitsService } from './key-limits';
import { keysService } from './keys';
import type { KeysStore } from './keys-store';
import { passwordsService } from './passwords';
import { sessionsService } from './sessions';
import { createAttemptLimits } from './sign-in-limits';
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
  const { users } = stores;
  const keys = keysService({ keys: stores.keys, events, now });
  const passwords = passwordsService();
  const sessions = sessionsService({ users, events, ttlSeconds: config.session.ttlSeconds, now });
  const accounts = accountsService({
    users,
    passwords,
    sessions,
    signup: { open: config.signup.open, ...(inviteCode !== undefined && { inviteCode }) },
    changed: keys.forget,
    now,
  });
  const rateLimits = rateLimitsService({ now: steady });
  events.subscribeToAll((_, event) => event.kind === 'revoked' && rateLimits.forget(event.credentialId));
  return { accounts, attempts: createAttemptLimits(), keys, rateLimits, sessions };
}
