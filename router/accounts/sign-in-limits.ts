/** How often a client may try to sign in or up, and how many attempts run at once. */
import { AppError } from '../lib/errors';
import { sha256 } from '../lib/ids';
import { Recent } from '../lib/lru';
import { steadyMs } from '../lib/time';
import { createTurns } from '../lib/turns';

const FAILURES_MS = 300_000;
/** Failed attempts from one network within the window; a shared address may have many users. */
const NETWORK_FAILURES_MAX = 30;
/**
 * Failed attempts for one account within the window: 2,880 guesses a day against a password of at least eight
 * characters.
 */
const ACCOUNT_FAILURES_MAX = 10;
const SIGN_UPS_MS = 3_600_000;
/** Accounts created from one network within the window, and attempts for one account. */
const SIGN_UPS_MAX = 10;
/**
 * Entries of each table; the least recently counted entry is dropped first. Making the table drop an entry costs as
 * many password hashes.
 */
const COUNTED_MAX = 20_000;

/** Attempts of one network at once. Fewer than passwords are hashed at once, so that one slot stays free for others. */
const NETWORK_AT_ONCE = 2;
/** Parallel sign-ins through the provider: it may take ten seconds to answer, and passwords must not wait for that. */
const PROVIDER_AT_ONCE = 20;
const ACCOUNT_QUEUED_MAX = 20;
const NETWORK_QUEUED_MAX = 100;

export interface AttemptLimits {
  /**
   * Runs `signIn` and counts a failure when it throws `wrong_credentials`. Throws `too_many_requests` instead when the
   * network or the account has failed too often, or too many attempts wait. Runs one attempt at a time per account, so
   * that parallel guesses are counted, and few at a time per network, so that a flood from one network does not delay
   * others.
   */
  signIn<T>(network: string, email: string, signIn: () => Promise<T>): Promise<T>;
  /** Throws `too_many_requests` after too many tries from the network or for the account; counts this one. */
  signUp<T>(network: string, email: string, signUp: () => Promise<T>): Promise<T>;
  /**
   * Runs a part of a sign-in through the OpenID Connect provider, and counts a failure of the network when it is refused.
   * These have turns of their own, so that a provider that hangs keeps nobody from signing in with a password.
   */
  provider<T>(network: string, work: () => Promise<T>): Promise<T>;
  /** Runs what a link opens, and counts a failure of the network when it throws `not_found`: a guessed link. */
  link<T>(network: string, open: () => Promise<T>): Promise<T>;
}

export function createAttemptLimits(): AttemptLimits {
  const networkFailures = counts(NETWORK_FAILURES_MAX, FAILURES_MS);
  const accountFailures = counts(ACCOUNT_FAILURES_MAX, FAILURES_MS);
  const linkFailures = counts(NETWORK_FAILURES_MAX, FAILURES_MS);
  const providerFailures = counts(NETWORK_FAILURES_MAX, FAILURES_MS);
  const signUps = counts(SIGN_UPS_MAX, SIGN_UPS_MS);
  const ofAccount = createTurns({ atOnce: 1, queuedMax: ACCOUNT_QUEUED_MAX, refusal: tooManyAtOnce });
  const ofNetwork = createTurns({ atOnce: NETWORK_AT_ONCE, queuedMax: NETWORK_QUEUED_MAX, refusal: tooManyAtOnce });
  const ofProvider = createTurns({ atOnce: PROVIDER_AT_ONCE, queuedMax: NETWORK_QUEUED_MAX, refusal: tooManyAtOnce });
  const inTurn = <T>(network: string, account: string, work: () => Promise<T>) =>
    ofAccount(account, () => ofNetwork(network, work));

  return {
    signIn(network, email, signIn) {
      const account = sha256(email);
      return inTurn(network, account, async () => {
        networkFailures.check(network);
        accountFailures.check(account);
        // Counted before the result is known, because another attempt of this network may be checked meanwhile.
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
    provider(network, work) {
      return ofProvider(network, async () => {
        providerFailures.check(network);
        try {
          return await work();
        } catch (error) {
          if (error instanceof AppError && error.status < 500) providerFailures.add(network);
          throw error;
        }
      });
    },
    link(network, open) {
      return ofNetwork(network, async () => {
        linkFailures.check(network);
        try {
          return await open();
        } catch (error) {
          if (error instanceof AppError && error.code === 'not_found') linkFailures.add(network);
          throw error;
        }
      });
    },
  };
}

/** Counts per key within a window that begins with the first count. */
function counts(max: number, windowMs: number) {
  const table = new Recent<string, { count: number; readonly untilMs: number }>(COUNTED_MAX);
  const find = (key: string) => {
    const found = table.get(key);
    return found && found.untilMs > steadyMs() ? found : undefined;
  };
  return {
    /** Throws `too_many_requests` when the limit is reached. */
    check(key: string): void {
      const found = find(key);
      if (found && found.count >= max) throw tooMany(found.untilMs - steadyMs());
    },
    /** @returns a function that undoes this count. */
    add(key: string): () => void {
      const entry = find(key) ?? { count: 0, untilMs: steadyMs() + windowMs };
      if (entry.count === 0) table.set(key, entry);
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
