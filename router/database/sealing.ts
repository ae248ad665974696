/** Opens the vault of this installation: verifies the key, and reseals the database after a change of the key. */
import { processLog } from '../lib/log';
import { createVault, type Vault } from '../lib/vault';
import type { InstallationStore } from './installation-store';
import type { SealedPlace, SealedStore } from './sealed-store';

/** This text is sealed at the first start. A router that cannot open it has another key. */
const CHECK_TEXT = 'agent-stack';

/** Returns the owner for whom the text at this place is sealed. A sealed text that is moved to another place does not open. */
export function ownerOf(place: SealedPlace): string {
  switch (place.kind) {
    case 'credential':
      return `${place.userId}/${place.backend}/${place.name}`;
    case 'agent_variable':
      return `agent ${place.agentId}/${place.name}`;
    case 'access_key':
      return place.runnerId;
    case 'check':
      return 'installation';
  }
}

/** Thrown when the database was sealed under another encryption key. */
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
 * Opens the installation's vault. Throws `WrongKeyError` when the key does not open the database, so that the router
 * fails at start and not at the first message.
 * @param key 32 bytes, `ENCRYPTION_KEY`.
 * @param previous `ENCRYPTION_KEY_PREVIOUS`: texts that are sealed under this key are resealed under `key`, all or none.
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

/** Whether the vault has the key under which `check` was sealed. */
function isKeyOf(vault: Vault, check: string): boolean {
  try {
    return vault.open(check, ownerOf({ kind: 'check' })) === CHECK_TEXT;
  } catch {
    return false;
  }
}
