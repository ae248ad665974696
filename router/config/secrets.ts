/** The settings that are secrets. */
import type { Values } from './settings';

/** The secret settings. Separate from Config, so that logging the Config never logs a secret. */
export interface Secrets {
  readonly jwtSecret: string;
  /** 32 bytes. */
  readonly encryptionKey: Uint8Array;
  /** The former key, under which values in the database may still be encrypted. */
  readonly previousEncryptionKey?: Uint8Array;
  readonly inviteCode?: string;
  readonly oidcClientSecret?: string;
  readonly bootstrapAdminPassword?: string;
  /** How upstreams are called: URLs of proxies, which may hold a password, and NO_PROXY. */
  readonly proxies: { readonly http?: string; readonly https?: string; readonly except: readonly string[] };
  toJSON(): '[secret]';
}

export function toSecrets(v: Values): Secrets {
  const hidden = () => '[secret]' as const;
  const [http, https] = [v.HTTP_PROXY ?? v.ALL_PROXY, v.HTTPS_PROXY ?? v.ALL_PROXY];
  const secrets = {
    jwtSecret: v.JWT_SECRET,
    encryptionKey: v.ENCRYPTION_KEY,
    ...(v.ENCRYPTION_KEY_PREVIOUS && { previousEncryptionKey: v.ENCRYPTION_KEY_PREVIOUS }),
    ...(v.INVITE_CODE && { inviteCode: v.INVITE_CODE }),
    ...(v.OIDC_CLIENT_SECRET && { oidcClientSecret: v.OIDC_CLIENT_SECRET }),
    ...(v.BOOTSTRAP_ADMIN_PASSWORD && { bootstrapAdminPassword: v.BOOTSTRAP_ADMIN_PASSWORD }),
    proxies: { ...(http && { http }), ...(https && { https }), except: v.NO_PROXY ?? [] },
    toJSON: hidden,
    [Bun.inspect.custom]: hidden,
  };
  return secrets;
}
