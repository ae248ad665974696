/** Answers a post of `/v1` that has an `Idempotency-Key`: once, and from memory when it is sent again. */
import { Share } from '../lib/allowance';
import { AppError } from '../lib/errors';
import { jsonObject } from '../lib/json';
import { type Asked, AskedOnce } from './asked';
import { exchange } from './exchange';

/** The maximum length of Stripe, which introduced this header: https://docs.stripe.com/api/idempotent_requests */
const KEY_LENGTH_MAX = 255;

/** Answers a post with an `Idempotency-Key`. A request for a stream is answered as if it had none. */
export async function answerOnce(asked: Asked, key: string): Promise<Response> {
  if (key === '' || key.length > KEY_LENGTH_MAX) {
    throw new AppError('invalid_request', { message: `An Idempotency-Key has 1 to ${KEY_LENGTH_MAX} characters.` });
  }
  const { held, idempotency, streams } = asked.deps;
  const { user, credentialId } = asked.who;
  // A request that waits for another one's answer has no exchange that its revoked credential would end (law 20).
  const revoked = Promise.withResolvers<never>();
  revoked.promise.catch(() => undefined);
  let isRevoked = false;
  const open = streams.add(
    { userId: user.id, credentialId },
    {
      close(why) {
        isRevoked = true;
        revoked.reject(why);
      },
    },
  );
  const share = new Share(held, user.id);
  const end = () => {
    share.end();
    asked.end();
  };
  let late: Promise<Response> | undefined;
  let giveUp = () => share.end();
  try {
    const bytes = await Promise.race([asked.read(share), revoked.promise]);
    // From here on the connection waits for an answer, also where a stream is refused that would have told its end.
    giveUp = end;
    // The credential of a request that has waited may have been revoked when its turn comes.
    const work = (ended: () => void) => (isRevoked ? revoked.promise : exchange(new AskedOnce(asked, bytes, ended)));
    // The body stays in memory until the stream has ended.
    if (jsonObject(bytes)?.stream === true) return await work(end);
    const fingerprint = fingerprintOf(asked.request, bytes);
    const named = { userId: user.id, holder: credentialId, key, fingerprint, incoming: asked.incoming };
    late = idempotency.once(named, () => work(() => asked.end()));
    const answered = await Promise.race([late, revoked.promise]);
    share.end();
    return answered;
  } catch (thrown) {
    giveUp();
    // Nobody reads an answer that comes after this.
    if (isRevoked) void late?.then(({ body }) => body?.cancel()).catch(() => undefined);
    throw thrown;
  } finally {
    open.end();
  }
}

/** The hash that is equal for two equal requests. */
function fingerprintOf({ url, headers }: Request, bytes: Uint8Array): string {
  const { pathname, search } = new URL(url);
  const hash = new Bun.CryptoHasher('sha256').update(`${pathname}${search}\n${headers.get('x-conversation-id')}\n`);
  return hash.update(bytes).digest('hex');
}
