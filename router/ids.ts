/** Identifiers and secrets: where randomness enters the router. */
import { createHash, randomBytes } from 'node:crypto';

/** A random id: 24 lower-case hex characters, safe in paths, labels and as a runtime's session name. */
export function newId(): string {
  return randomBytes(12).toString('hex');
}

/** A random secret of 256 bits behind a prefix that says what it opens. */
export function newSecret(prefix: string): string {
  return prefix + randomBytes(32).toString('base64url');
}

/** SHA-256 as hex. Enough for secrets of 256 random bits; passwords go through argon2id. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
