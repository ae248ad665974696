/**
 * The worker thread that hashes passwords (hashing.ts). It gives way, so that streams keep their pace while
 * many people sign in.
 */
import { giveWay } from '../../lib/give-way';

declare const self: Worker;

/** The first recommendation of OWASP for argon2id. A hash takes 19 MiB and some 25 ms; with Bun's defaults 64 MiB. */
const HASHING = { algorithm: 'argon2id', memoryCost: 19_456, timeCost: 2 } as const;
/** Absent `hash`: the password is hashed. Otherwise it is compared with it. */
export interface HashJob {
  readonly password: string | Uint8Array;
  readonly hash?: string;
}

giveWay();
self.onmessage = ({ data: { password, hash } }: MessageEvent<HashJob>) =>
  self.postMessage(
    hash === undefined ? Bun.password.hashSync(password, HASHING) : Bun.password.verifySync(password, hash),
  );
self.postMessage('ready');
