/** Limits on what comes in: the size of a body, and how often somebody may try to sign in. */
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { AppError } from '../errors';

/** Failed attempts from one address in five minutes; a shared address has many people behind it. */
const ADDRESS_FAILURES_MAX = 30;
/** Failed attempts for one account in five minutes: 2,880 guesses a day against a password of eight characters. */
const ACCOUNT_FAILURES_MAX = 10;
/** Accounts made from one address in an hour. */
const SIGN_UPS_MAX = 10;

/** Reads a body, refusing it as soon as it is over the limit. Throws `too_large`. */
export async function readBody(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = () =>
    new AppError('too_large', { message: `The request is larger than ${Math.floor(maxBytes / 1_000_000)} MB.` });
  const declared = request.headers.get('content-length');
  if (declared !== null && Number(declared) > maxBytes) throw tooLarge();
  if (declared !== null || !request.body) return new Uint8Array(await request.arrayBuffer());
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

export interface AttemptLimits {
  /** Throws `too_many_requests` when the address or the account has failed too often; counts nothing. */
  check(address: string, email: string): Promise<void>;
  /** A wrong password. */
  failed(address: string, email: string): Promise<void>;
  /** Throws `too_many_requests` when too many accounts were made from the address; counts this one. */
  signUp(address: string): Promise<void>;
}

export function createAttemptLimits(): AttemptLimits {
  const addresses = new RateLimiterMemory({ points: ADDRESS_FAILURES_MAX, duration: 300 });
  const accounts = new RateLimiterMemory({ points: ACCOUNT_FAILURES_MAX, duration: 300 });
  const signUps = new RateLimiterMemory({ points: SIGN_UPS_MAX, duration: 3600 });

  const refuse = (until: RateLimiterRes) => {
    const retryAfterSeconds = Math.ceil(until.msBeforeNext / 1000);
    return new AppError('too_many_requests', {
      message: `Too many attempts. Try again in ${Math.ceil(retryAfterSeconds / 60)} min.`,
      retryAfterSeconds,
    });
  };

  return {
    async check(address, email) {
      for (const limiter of [
        { of: addresses, key: address },
        { of: accounts, key: email },
      ]) {
        const used = await limiter.of.get(limiter.key);
        if (used && used.consumedPoints >= limiter.of.points) throw refuse(used);
      }
    },
    async failed(address, email) {
      await addresses.penalty(address);
      await accounts.penalty(email);
    },
    async signUp(address) {
      try {
        await signUps.consume(address);
      } catch (error) {
        throw error instanceof RateLimiterRes ? refuse(error) : error;
      }
    },
  };
}
