/** Answers a post of `/v1` that has an `Idempotency-Key`: once, and from memory when it is sent again. */
import type { Caller } from '../accounts/identify';
import { type Allowance, Share } from '../lib/allowance';
import { AppError } from '../lib/errors';
import { jsonObject } from '../lib/json';
import type { OpenStreams } from '../web/streams/open-streams';
import type { Idempotency } from './idempotency';

/** The maximum length of Stripe, which introduced this header: https://docs.stripe.com/api/idempotent_requests */
const KEY_LENGTH_MAX = 255;

interface OnceDeps {
  readonly held: Allowance;
  readonly idempotency: Idempotency;
  readonly streams: OpenStreams;
}

type Bytes = Uint8Array<ArrayBuffer>;

interface PostWithKey {
  readonly request: Request;
  readonly key: string;
  /** Reads the body. */
  read(share: Share): Promise<Bytes>;
  /**
   * @param bytes Body of the request, which has been read by then.
   * @param ended Called at the end of the answer.
   */
  answer(bytes: Bytes, ended: () => void): Promise<Response>;
  /** Called at the end of the answer, also of one that another request has made. */
  onEnd(): void;
}

/** Answers a post with an `Idempotency-Key`. A request for a stream is answered as if it had none. */
export async function answerOnce(
  { held, idempotency, streams }: OnceDeps,
  { user, credentialId }: Caller,
  { request, key, read, answer, onEnd }: PostWithKey,
): Promise<Response> {
  if (key === '' || key.length > KEY_LENGTH_MAX) {
    throw new AppError('invalid_request', { message: `An Idempotency-Key has 1 to ${KEY_LENGTH_MAX} characters.` });
  }
  // A request that waits for another one's answer has no exchange that its revoked credential would end (law 20).
  const revoked = Promise.withResolvers<never>();
  revoked.promise.catch(() => undefined);
  let isRevoked = false;
  const forget = streams.add({ userId: user.id, credentialId }, (why) => {
    isRevoked = true;
    revoked.reject(why);
  });
  const share = new Share(held, user.id);
  const end = () => {
    share.end();
    onEnd();
  };
  let giveUp = () => share.end();
  try {
    const bytes = await Promise.race([read(share), revoked.promise]);
    // From here on the connection waits for an answer, also where a stream is refused that would have told its end.
    giveUp = end;
    // The credential of a request that has waited may have been revoked when its turn comes.
    const work = (ended: () => void) => (isRevoked ? revoked.promise : answer(bytes, ended));
    // The body stays in memory until the stream has ended.
    if (jsonObject(bytes)?.stream === true) return await work(end);
    const named = { userId: user.id, holder: credentialId, key, fingerprint: fingerprintOf(request, bytes) };
    const once = idempotency.once(named, () => work(onEnd));
    const answered = await Promise.race([once, revoked.promise]);
    end();
    return answered;
  } catch (thrown) {
    giveUp();
    throw thrown;
  } finally {
    forget();
  }
}

/** The hash that is equal for two equal requests. */
function fingerprintOf({ url, headers }: Request, bytes: Uint8Array): string {
  const { pathname, search } = new URL(url);
  const hash = new Bun.CryptoHasher('sha256').update(`${pathname}${search}\n${headers.get('x-conversation-id')}\n`);
  return hash.update(bytes).digest('hex');
}
