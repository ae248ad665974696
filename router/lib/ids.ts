/** Makes random identifiers and secrets. */
import { randomBytes } from 'node:crypto';

const ID_BYTES = 12;
/** Random bytes for 256 ids, fetched at once because every request needs an id. */
const idBytes = Buffer.alloc(ID_BYTES * 256);
let idBytesUsed = idBytes.length;

/** Returns a random id: 24 lower-case hex characters, safe in paths and labels and as a session name of agent software. */
export function newId(): string {
  if (idBytesUsed === idBytes.length) {
    crypto.getRandomValues(idBytes);
    idBytesUsed = 0;
  }
  idBytesUsed += ID_BYTES;
  return idBytes.toString('hex', idBytesUsed - ID_BYTES, idBytesUsed);
}

/** Hex characters of a time in milliseconds, until the year 10889. */
const TIME_LENGTH = 12;

/**
 * Returns an id in the form of `newId` that begins with the time; the other 48 bits are random. For rows of which there
 * are many: those of one time are neighbours in an index, while random ids touch another page of it for each row. Such
 * an id is no secret, and neither is one of `newId`.
 */
export function newTimeId(): string {
  return Date.now().toString(16).padStart(TIME_LENGTH, '0') + newId().slice(TIME_LENGTH);
}

/** Returns a random secret of 256 bits after a prefix that names its purpose. */
export function newSecret(prefix: string): string {
  return prefix + randomBytes(32).toString('base64url');
}

/** Returns the SHA-256 of a text as hex. Use it only for secrets of 256 random bits; passwords need argon2id. */
export function sha256(text: string): string {
  return Bun.SHA256.hash(text, 'hex');
}

/** Matches access keys (`ak-`), runner keys (`rk-`) and tokens of callbacks (`ck-`) as `newSecret` makes them. */
export const RUNNER_KEYS = /\b[acr]k-[\w-]{43}/g;

/** Replaces such keys, also where a runner or a driver has written them. */
export function withoutKeys(text: string): string {
  return text.replace(RUNNER_KEYS, '[key]');
}

/** Whether a text contains a string in the format of such a key. Does not check whether the key is valid. */
export function hasRunnerKey(text: string): boolean {
  return text.search(RUNNER_KEYS) !== -1;
}
