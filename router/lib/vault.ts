/** Encryption at rest: AES-256-GCM under a key that is not in the database. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const VERSION = 'v1';
const IV_BYTES = 12;
const TAG_BYTES = 16;

export interface Vault {
  /** Encrypts `plain` for `owner`. The result opens only with the same owner. */
  seal(plain: string, owner: string): string;
  /** Returns the plain text. Throws when the key, the owner or any byte differs. */
  open(sealed: string, owner: string): string;
}

/** @param key 32 bytes, `ENCRYPTION_KEY`. */
export function createVault(key: Uint8Array): Vault {
  return {
    seal(plain, owner) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(owner));
      const text = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
      return `${VERSION}.${Buffer.concat([iv, text, cipher.getAuthTag()]).toString('base64url')}`;
    },
    open(sealed, owner) {
      const [version, body] = sealed.split('.');
      if (version !== VERSION || !body) throw new Error(`Sealed value has an unknown version "${version}"`);
      const bytes = Buffer.from(body, 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES)).setAAD(Buffer.from(owner));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      return decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
    },
  };
}
