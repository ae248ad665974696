/** Limits on what comes in: the size of a body, and how often somebody may try to sign in. */
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { AppError } from '../lib/errors';

/** Failed attempts from one address in five minutes; a shared address has many people behind it. */
const ADDRESS_FAILURES_MAX = 30;
/** Failed attempts for one account in five minutes: 2,880 guesses a day against a password of eight characters. */
const ACCOUNT_FAILURES_MAX = 10;
/** Accounts made from one address in an hour. */
const SIGN_UPS_MAX = 10;

/** Reads a body, refusing it as soon as it is over the limit. Throws `too_large`, or `invalid_request` when it is cut. */
export async function readBody(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const declared = request.headers.get('content-length');
  if (Number(declared) > maxBytes) throw tooLarge(maxBytes);
  // The server takes no more than was declared; without a length it is counted as it comes. To ask for the stream of a
  // body makes one.
  const reading = declared !== null ? request.bytes() : readChunks(request.body, maxBytes);
  const bytes = await reading.catch((cause: unknown) => {
    if (cause instanceof AppError) throw cause;
    throw new AppError('invalid_request', { message: 'The request ended before its body was whole.', cause });
  });
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  return bytes;
}

async function readChunks(body: Request['body'], maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

export function tooLarge(maxBytes: number): AppError {
  return new AppError('too_large', { message: `The request is larger than ${maxBytes} bytes.` });
}

export interface AttemptLimits {
  /**
   * Runs `signIn` and counts it when it throws `wrong_credentials`. Throws `too_many_requests` instead when the address
   * or the account has failed too often. One at a time for each, so that guesses made at once are counted like others.
   */
  signIn<T>(address: string, email: string, signIn: () => Promise<T>): Promise<T>;
  /** Throws `too_many_requests` after too many tries from the address or for the account; counts this one. */
  signUp(address: string, email: string): Promise<void>;
}

export function createAttemptLimits(): AttemptLimits {
  const addresses = new RateLimiterMemory({ points: ADDRESS_FAILURES_MAX, duration: 300 });
  const accounts = new RateLimiterMemory({ points: ACCOUNT_FAILURES_MAX, duration: 300 });
  const signUps = new RateLimiterMemory({ points: SIGN_UPS_MAX, duration: 3600 });
  const inTurn = createTurns();

  const refuse = (until: RateLimiterRes, { duration }: RateLimiterMemory) => {
    // It counts with a timer, and tells the time by the clock of dates, which may have been set.
    const retryAfterSeconds = Math.max(1, Math.min(duration, Math.ceil(until.msBeforeNext / 1000)));
    return new AppError('too_many_requests', {
      message: `Too many attempts. Try again in ${Math.ceil(retryAfterSeconds / 60)} min.`,
      retryAfterSeconds,
    });
  };

  return {
    signIn: (address, email, signIn) => {
      const attempt = async () => {
        for (const [limiter, key] of [
          [addresses, address],
          [accounts, email],
        ] as const) {
          const used = await limiter.get(key);
          if (used && used.consumedPoints >= limiter.points) throw refuse(used, limiter);
        }
        try {
          return await signIn();
        } catch (error) {
          if (error instanceof AppError && error.code === 'wrong_credentials') {
            await addresses.penalty(address);
            await accounts.penalty(email);
          }
          throw error;
        }
      };
      return inTurn(`address ${address}`, () => inTurn(`account ${email}`, attempt));
    },
    async signUp(address, email) {
      try {
        await signUps.consume(`address ${address}`);
        await signUps.consume(`account ${email}`);
      } catch (error) {
        throw error instanceof RateLimiterRes ? refuse(error, signUps) : error;
      }
    },
  };
}

/** Work of one key runs one after the other; keys do not wait for each other. */
function createTurns(): <T>(key: string, work: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const turn = (last.get(key) ?? Promise.resolve()).then(work);
    const ended = turn
      .catch(() => undefined)
      .then(() => {
        if (last.get(key) === ended) last.delete(key);
      });
    last.set(key, ended);
    return turn;
  };
}
