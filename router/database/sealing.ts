/** The vault of this installation: whether its key is the right one, and the change to another key. */
import { processLog } from '../lib/log';
import { createVault, type Vault } from '../lib/vault';
import type { InstallationStore } from './installation-store';
import type { SealedPlace, SealedStore } from './sealed-store';

/** Sealed with the key of the first start; a router that cannot open it has another key. */
const CHECK_TEXT = 'agent-stack';

/** Whom the text at this place is sealed for: bound to it, so that nobody can move it to another place. */
export function ownerOf(place: SealedPlace): string {
  switch (place.kind) {
    case 'credential':
      return `${place.userId}/${place.backend}/${place.name}`;
    case 'access_key':
      return place.runnerId;
    case 'check':
      return 'installation';
  }
}

/** The database was made under another encryption key. */
export class WrongKeyError extends Error {
  override readonly name = 'WrongKeyError';
  constructor() {
    super(
      'ENCRYPTION_KEY is not the one this database was made with, so nothing in it can be opened.\n' +
        'Put the former key back (it was in .env), or move the database away to begin anew.\n' +
        'To change the key on purpose: bun run rotate-key.',
    );
  }
}

/**
 * Opens the installation's vault. A database whose secrets cannot be opened is told at start, not at the first message:
 * throws `WrongKeyError`.
 * @param key 32 bytes, `ENCRYPTION_KEY`.
 * @param previous `ENCRYPTION_KEY_PREVIOUS`: what is still sealed under this one is sealed anew, all or nothing.
 */
export async function openVault(
  stores: { installation: InstallationStore; sealed: SealedStore },
  key: Uint8Array,
  previous?: Uint8Array,
): Promise<Vault> {
  const vault = createVault(key);
  const check = await stores.installation.keep('key_check', () => vault.seal(CHECK_TEXT, ownerOf({ kind: 'check' })));
  if (isKeyOf(vault, check)) return vault;
  const former = previous && createVault(previous);
  if (!former || !isKeyOf(former, check)) throw new WrongKeyError();
  await stores.sealed.resealAll((sealed, place) => {
    const owner = ownerOf(place);
    return vault.seal(former.open(sealed, owner), owner);
  });
  processLog.info('encryption_key.rotated');
  return vault;
}

/** Whether the vault opens what the check was sealed with. */
function isKeyOf(vault: Vault, check: string): boolean {
  try {
    return vault.open(check, ownerOf({ kind: 'check' })) === CHECK_TEXT;
  } catch {
    return false;
  }
}
