/** View models of accounts: people, their keys, sessions and invitations. */
import type { Flash, FormState } from '../models';

export interface KeyView {
  id: string;
  name: string;
  lastFour: string;
  createdAtMs: number;
  lastUsedAtMs?: number;
  expiresAtMs?: number;
  isExpired?: boolean;
  /** Opens its owner's settings and runners. */
  canManage?: boolean;
  /** Opens its owner's agents and conversations. */
  opensAgents?: boolean;
  /** Names of the agents that it opens; none means all. */
  only?: string[];
  requestsPerMinute?: number;
  tokensPerMinute?: number;
  concurrentMax?: number;
  /** Whether a chat that waits is sent empty events beside its comments. */
  hasEventsWhileWaiting?: boolean;
}

/** A browser in which the user is signed in. `browser` and `address` are empty where they are not known. */
export interface SessionView {
  id: string;
  browser: string;
  address: string;
  createdAtMs: number;
  seenAtMs: number;
  /** Whether this page is of that session. */
  isCurrent: boolean;
}

/** A user as the administrator sees them. */
export interface UserView {
  id: string;
  email: string;
  /** May be empty. */
  name: string;
  createdAtMs: number;
  isAdmin: boolean;
  isYou: boolean;
  isDisabled: boolean;
  /** When a deleted user is purged. */
  purgeAtMs?: number;
  /** The user has not chosen one yet, and signs in by no other means. */
  hasNoPassword: boolean;
  /** The user signs in through the OpenID Connect provider. */
  isLinked: boolean;
}

/** An invitation; its link is not known any more. */
export interface InvitationView {
  id: string;
  /** Null: for anybody. */
  email: string | null;
  uses: number;
  usesMax: number;
  createdAtMs: number;
  expiresAtMs: number;
  isExpired: boolean;
}

/** The OpenID Connect provider: what people call it, and where a sign-in through it begins. */
export interface ProviderView {
  name: string;
  href: string;
}

/** The account of the user who is signed in. */
export interface YouView {
  name: string;
  email: string;
  /** Language of pages; null: the browser's. */
  language: string | null;
  /** Whether the user's own model names conversations. */
  hasModelTitles: boolean;
  isAdmin: boolean;
  /** Whether the user can sign in with a password. */
  hasPassword: boolean;
  /** Where the account is linked to the provider; absent where there is none. */
  provider?: ProviderView | undefined;
  isLinked: boolean;
  sessions: SessionView[];
  /** The result of the card's last form. */
  flash?: Flash | undefined;
  /** Refused forms with what was typed. */
  forms?: { name?: FormState; password?: FormState; removal?: FormState };
}
