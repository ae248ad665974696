/**
 * What the link in Settings that begins to link an account carries: a link of another site must not begin it. Not a form,
 * because the policy of pages lets no form lead to another site, as the provider is.
 */
import type { Vault } from '../../lib/vault';
import type { Who } from '../identify';

/** For the session of the user who is signed in; nobody else can make it. */
export const linkProof = (vault: Vault, who: Who): string => vault.seal('', ownerOf(who));

export function isLinkProof(vault: Vault, who: Who, proof: string): boolean {
  try {
    return vault.open(proof, ownerOf(who)) === '';
  } catch {
    return false;
  }
}

const ownerOf = ({ credentialId }: Who): string => `linking an account, session ${credentialId}`;
