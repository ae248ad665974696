/** Identifiers and secrets: where randomness enters the router. */
import { randomBytes } from 'node:crypto';

const ID_BYTES = 12;
/** Fetched for many ids at once: every request has one. */
const idBytes = Buffer.alloc(ID_BYTES * 256);
let idBytesUsed = idBytes.length;

/** A random id: 24 lower-case hex characters, safe in paths, labels and as a runtime's session name. */
export function newId(): string {
  if (idBytesUsed === idBytes.length) {
    crypto.getRandomValues(idBytes);
    idBytesUsed = 0;
  }
  idBytesUsed += ID_BYTES;
  return idBytes.toString('hex', idBytesUsed - ID_BYTES, idBytesUsed);
}

/** A random secret of 256 bits behind a prefix that says what it opens. */
export function newSecret(prefix: string): string {
  return prefix + randomBytes(32).toString('base64url');
}

/** SHA-256 as hex. Enough for secrets of 256 random bits; passwords go through argon2id. */
export function sha256(text: string): string {
  return Bun.SHA256.hash(text, 'hex');
}

/** Access keys and runner keys, as `newSecret` makes them. */
export const RUNNER_KEYS = /\b[ar]k-[\w-]{43}/g;

/** Whether a text has what looks like a key of a runner in it, whether that runner is there or not. */
export function hasRunnerKey(text: string): boolean {
  return text.search(RUNNER_KEYS) !== -1;
}
