/** Makes the parts of this subject. */
import type { Config, Secrets } from '../config/config';
import type { Events } from '../lib/events';
import { accountsService } from './accounts';
import { invitationsService } from './invitations';
import { rateLimitsService } from './key-limits';
import { keysService } from './keys';
import type { KeysStore } from './keys-store';
import type { LimitsStore } from './limits-store';
import type { LinksStore } from './links-store';
import { passwordsService } from './passwords';
import { sessionsService } from './sessions';
import { createAttemptLimits } from './sign-in-limits';
import type { UsersStore } from './store';
import { userLimitsService } from './user-limits';
import { usersService } from './users';

export function wireAccounts(uses: {
  config: Pick<Config, 'capacity' | 'maxAgentsPerBackend' | 'session' | 'signup'>;
  secrets: Pick<Secrets, 'inviteCode'>;
  stores: { users: UsersStore; keys: KeysStore; links: LinksStore; limits: LimitsStore };
  events: Events;
  now: () => number;
  steady: () => number;
}) {
  const { config, secrets, stores, events, now, steady } = uses;
  const { inviteCode } = secrets;
  const { users: rows, links } = stores;
  const keys = keysService({ keys: stores.keys, events, now });
  const passwords = passwordsService();
  const changed = async (userId: string) => {
    await keys.forget(userId);
    events.publish(userId, { kind: 'user' });
  };
  const sessions = sessionsService({ users: rows, events, ttlSeconds: config.session.ttlSeconds, now });
  const accounts = accountsService({
    users: rows,
    passwords,
    sessions,
    signup: { open: config.signup.open, ...(inviteCode !== undefined && { inviteCode }) },
    changed,
    now,
  });
  const users = usersService({ users: rows, links, passwords, sessions, events, changed, now });
  const rateLimits = rateLimitsService({ now: steady });
  events.subscribeToAll((_, event) => event.kind === 'revoked' && rateLimits.forget(event.credentialId));
  const invitations = invitationsService({ users: rows, links, passwords, changed, now });
  const userLimits = userLimitsService({
    store: stores.limits,
    defaults: { runners: config.capacity.runnersPerUser, agents: config.maxAgentsPerBackend },
  });
  return { userLimits, accounts, attempts: createAttemptLimits(), invitations, keys, rateLimits, sessions, users };
}
