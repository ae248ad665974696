/** How often somebody may try to sign in or up, and how many do at once. */
import { LRUCache } from 'lru-cache';
import { AppError } from '../lib/errors';
import { sha256 } from '../lib/ids';
import { createTurns } from '../lib/turns';

const FAILURES_MS = 300_000;
/** Failed attempts from one network in that time; a shared address has many people behind it. */
const NETWORK_FAILURES_MAX = 30;
/** Failed attempts for one account in that time: 2,880 guesses a day against a password of eight characters. */
const ACCOUNT_FAILURES_MAX = 10;
const SIGN_UPS_MS = 3_600_000;
/** Accounts made from one network in that time, and tries for one account. */
const SIGN_UPS_MAX = 10;
/** Of each table; the least lately counted is forgotten first. To have one forgotten takes as many hashed passwords. */
const COUNTED_MAX = 20_000;

/** Passwords are hashed on threads of Bun's, each for about 50 ms and with 19 MiB. */
const HASHING_AT_ONCE = 3;
/** Of one network: one slot is left to others. */
const NETWORK_AT_ONCE = 2;
const ACCOUNT_QUEUED_MAX = 20;
const NETWORK_QUEUED_MAX = 100;
const ALL_QUEUED_MAX = 1_000;

export interface AttemptLimits {
  /**
   * Runs `signIn` and counts it when it throws `wrong_credentials`. Throws `too_many_requests` instead when the network
   * or the account has failed too often, or too many wait. One at a time for each account, so that guesses made at once
   * are counted like others, and few at a time for each network, so that nobody waits for another one's flood.
   */
  signIn<T>(network: string, email: string, signIn: () => Promise<T>): Promise<T>;
  /** Throws `too_many_requests` after too many tries from the network or for the account; counts this one. */
  signUp<T>(network: string, email: string, signUp: () => Promise<T>): Promise<T>;
}

export function createAttemptLimits(): AttemptLimits {
  const networkFailures = counts(NETWORK_FAILURES_MAX, FAILURES_MS);
  const accountFailures = counts(ACCOUNT_FAILURES_MAX, FAILURES_MS);
  const signUps = counts(SIGN_UPS_MAX, SIGN_UPS_MS);
  const ofAccount = createTurns({ atOnce: 1, queuedMax: ACCOUNT_QUEUED_MAX, refusal: tooManyAtOnce });
  const ofNetwork = createTurns({ atOnce: NETWORK_AT_ONCE, queuedMax: NETWORK_QUEUED_MAX, refusal: tooManyAtOnce });
  const ofAll = createTurns({ atOnce: HASHING_AT_ONCE, queuedMax: ALL_QUEUED_MAX, refusal: tooManyAtOnce });
  const inTurn = <T>(network: string, account: string, work: () => Promise<T>) =>
    ofAccount(account, () => ofNetwork(network, () => ofAll('', work)));

  return {
    signIn(network, email, signIn) {
      const account = sha256(email);
      return inTurn(network, account, async () => {
        networkFailures.check(network);
        accountFailures.check(account);
        // Counted before it is known to have failed: another of this network may be looked at meanwhile.
        const takeBack = networkFailures.add(network);
        try {
          const result = await signIn();
          takeBack();
          return result;
        } catch (error) {
          if (error instanceof AppError && error.code === 'wrong_credentials') accountFailures.add(account);
          else takeBack();
          throw error;
        }
      });
    },
    signUp(network, email, signUp) {
      const account = `account ${sha256(email)}`;
      signUps.check(network);
      signUps.add(network);
      signUps.check(account);
      signUps.add(account);
      return inTurn(network, account, signUp);
    },
  };
}

/** Counts by key within a time that begins with the first. */
function counts(max: number, ttlMs: number) {
  const table = new LRUCache<string, { count: number }>({ max: COUNTED_MAX, ttl: ttlMs });
  return {
    /** Throws `too_many_requests` where the most is reached. */
    check(key: string): void {
      const found = table.get(key);
      if (found && found.count >= max) throw tooMany(table.getRemainingTTL(key));
    },
    /** @returns what takes it back. */
    add(key: string): () => void {
      let found = table.get(key);
      if (!found) {
        found = { count: 0 };
        table.set(key, found);
      }
      const entry = found;
      entry.count += 1;
      return () => {
        entry.count -= 1;
      };
    },
  };
}

function tooMany(remainingMs: number): AppError {
  const retryAfterSeconds = Math.max(1, Math.ceil(remainingMs / 1000));
  return new AppError('too_many_requests', {
    message: `Too many attempts. Try again in ${Math.ceil(retryAfterSeconds / 60)} min.`,
    retryAfterSeconds,
  });
}

function tooManyAtOnce(): AppError {
  return new AppError('too_many_requests', {
    message: 'Too many attempts at once. Try again in a moment.',
    retryAfterSeconds: 2,
  });
}
