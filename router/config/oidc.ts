/** The settings of sign-in with OpenID Connect. */
import type { Values } from './settings';

export interface OidcConfig {
  readonly issuer: string;
  readonly clientId: string;
  /** Separated by blanks. */
  readonly scopes: string;
  /** What pages call the provider. */
  readonly name: string;
  /** Domains of e-mail addresses that may sign in, in lower case. Absent: any. */
  readonly domains?: readonly string[];
  /** The claim with the e-mail address of the account. */
  readonly linkClaim: string;
  /** Whether people without an account get one. */
  readonly createsAccounts: boolean;
}

export function toOidc(v: Values): { oidc?: OidcConfig } {
  if (v.OIDC_ISSUER === undefined || v.OIDC_CLIENT_ID === undefined) return {};
  return {
    oidc: {
      issuer: v.OIDC_ISSUER,
      clientId: v.OIDC_CLIENT_ID,
      scopes: v.OIDC_SCOPES,
      name: v.OIDC_NAME ?? new URL(v.OIDC_ISSUER).host,
      ...(v.OIDC_ALLOWED_DOMAINS && { domains: v.OIDC_ALLOWED_DOMAINS }),
      linkClaim: v.OIDC_LINK_CLAIM,
      createsAccounts: v.OIDC_CREATE_ACCOUNTS,
    },
  };
}
