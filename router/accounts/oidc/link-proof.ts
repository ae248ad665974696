/**
 * The proof in the link in Settings that begins to link an account, so that a link on another site cannot begin it. It is a
 * link and not a form, because the Content Security Policy lets no form lead to another site, such as the provider.
 */
import type { Vault } from '../../lib/vault';
import type { Who } from '../identify';

/** Makes the proof for the session of the user who is signed in. */
export const linkProof = (vault: Vault, who: Who): string => vault.seal('', ownerOf(who));

export function isLinkProof(vault: Vault, who: Who, proof: string): boolean {
  try {
    return vault.open(proof, ownerOf(who)) === '';
  } catch {
    return false;
  }
}

const ownerOf = ({ credentialId }: Who): string => `linking an account, session ${credentialId}`;
