/**
 * The worker thread that hashes passwords (hashing.ts). On Linux the kernel prefers the other threads of the router to it, so
 * that streams keep their pace while many people sign in.
 */
import { getPriority, setPriority } from 'node:os';

declare const self: Worker;

/** The first recommendation of OWASP for argon2id. A hash takes 19 MiB and some 25 ms; with Bun's defaults 64 MiB. */
const HASHING = { algorithm: 'argon2id', memoryCost: 19_456, timeCost: 2 } as const;
/**
 * Steps of niceness. With ten of them a thread gets a tenth of what a competitor gets: it is out of the way at once, and on a
 * machine that is busy with other things a sign-in still takes less than a second.
 */
const NICER_BY = 10;
const NICEST = 19;

/** Absent `hash`: the password is hashed. Otherwise it is compared with it. */
export interface HashJob {
  readonly password: string | Uint8Array;
  readonly hash?: string;
}

/** Of a thread on Linux; on other systems it would be of the whole process. */
function giveWay(): void {
  try {
    if (process.platform === 'linux') setPriority(0, Math.min(NICEST, getPriority(0) + NICER_BY));
  } catch {
    // A sandbox may forbid it. Passwords are hashed all the same.
  }
}

giveWay();
self.onmessage = ({ data: { password, hash } }: MessageEvent<HashJob>) =>
  self.postMessage(
    hash === undefined ? Bun.password.hashSync(password, HASHING) : Bun.password.verifySync(password, hash),
  );
self.postMessage('ready');
