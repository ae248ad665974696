/** Makes the parts of this subject. */
import type { Config } from '../config/config';
import type { Secrets } from '../config/secrets';
import type { Events } from '../lib/events';
import { type PolicyWords, systemLookup, upstreamAddresses } from '../net/address-policy';
import { libraryFetch } from '../net/library-fetch';
import { proxyChooser } from '../net/proxies';
import { accountsService } from './accounts';
import { keysService } from './keys/keys';
import { rateLimitsService } from './keys/limits';
import type { KeysStore } from './keys/store';
import { invitationsService } from './links/invitations';
import type { LinksStore } from './links/store';
import { identitiesService } from './oidc/identities';
import { oidcService } from './oidc/oidc';
import { passwordsService } from './passwords/passwords';
import { sessionsService } from './sessions/sessions';
import type { SessionsStore } from './sessions/store';
import { createAttemptLimits } from './sign-in-limits';
import { userLimitsService } from './users/limits';
import type { LimitsStore } from './users/limits-store';
import type { UsersStore } from './users/store';
import { usersService } from './users/users';

export function wireAccounts(uses: {
  config: Pick<Config, 'capacity' | 'maxAgentsPerBackend' | 'oidc' | 'passwordSignIn' | 'session' | 'signup'> &
    Pick<Config, 'public' | 'publicUrl'>;
  secrets: Pick<Secrets, 'inviteCode' | 'oidcClientSecret' | 'proxies'>;
  internalPort: number;
  stores: { users: UsersStore; sessions: SessionsStore; keys: KeysStore; links: LinksStore; limits: LimitsStore };
  events: Events;
  now: () => number;
  steady: () => number;
}) {
  const { config, secrets, stores, events, now, steady } = uses;
  const { inviteCode } = secrets;
  const { users: rows, links } = stores;
  const keys = keysService({ keys: stores.keys, events, now });
  const passwords = passwordsService({ isOpen: config.passwordSignIn });
  const changed = async (userId: string) => {
    await keys.forget(userId);
    events.publish(userId, { kind: 'user' });
  };
  const sessions = sessionsService({ store: stores.sessions, events, ttlSeconds: config.session.ttlSeconds, now });
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
  events.subscribeToAll(['revoked'], (_, event) => rateLimits.forget(event.credentialId));
  const invitations = invitationsService({ users: rows, links, passwords, changed, now });
  const identities = identitiesService({
    ...{ users: rows, invitations, keys, sessions, changed, now },
    createsAccounts: config.oidc?.createsAccounts ?? false,
    passwordsOpen: passwords.isOpen,
  });
  const userLimits = userLimitsService({
    store: stores.limits,
    defaults: { runners: config.capacity.runnersPerUser, agents: config.maxAgentsPerBackend },
  });
  return {
    ...{ userLimits, accounts, attempts: createAttemptLimits(), identities, invitations, keys },
    ...{ oidc: wireOidc(uses), rateLimits, sessions, users },
  };
}

/** Sentences for the log. People only read that the provider does not answer. */
const ISSUER_WORDS: PolicyWords = {
  unknown: (host) => `OIDC_ISSUER: no address is known for "${host}".`,
  refused: (problem) => `OIDC_ISSUER: ${problem}.`,
  ours: 'That is the router itself',
  platform: 'That is what runs the agents',
};
/** Bytes of one answer of the provider: its metadata, its keys, a token, the claims of a person. */
const PROVIDER_BYTES_MAX = 1_048_576;
const PROVIDER_MS = 10_000;

function wireOidc({ config, secrets, internalPort, steady }: Parameters<typeof wireAccounts>[0]) {
  const { oidc: settings, publicUrl } = config;
  if (!settings) return undefined;
  const policy = {
    // The setting names the provider, which may be in the same network as the router.
    allowPrivate: true,
    ownPorts: [config.public.port, internalPort],
    ...(publicUrl !== undefined && { ownOrigin: publicUrl }),
    proxyFor: proxyChooser(secrets.proxies),
    words: ISSUER_WORDS,
  };
  const addresses = upstreamAddresses({ policy, lookup: systemLookup, now: steady });
  const limits = { bytesMax: PROVIDER_BYTES_MAX, limitMs: PROVIDER_MS };
  const fetch = libraryFetch({ addresses, home: settings.issuer, ...limits });
  return oidcService({ settings, clientSecret: secrets.oidcClientSecret, fetch, now: steady });
}
