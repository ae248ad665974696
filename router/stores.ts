/** All stores over one database. */

import { keysStore } from './accounts/keys-store';
import { usersStore } from './accounts/store';
import { agentsStore } from './agents/store';
import { conversationsStore } from './chat/store';
import { settingsStore } from './credentials/store';
import type { Db } from './database/database';
import { installationStore } from './database/installation-store';
import { sealedStore } from './database/sealed-store';
import { runnersStore } from './runners/store';
import { budgetsStore } from './usage/budgets-store';
import { usageStore } from './usage/store';

export type Stores = ReturnType<typeof createStores>;

export function createStores(db: Db) {
  return {
    installation: installationStore(db),
    users: usersStore(db),
    keys: keysStore(db),
    agents: agentsStore(db),
    runners: runnersStore(db),
    conversations: conversationsStore(db),
    settings: settingsStore(db),
    sealed: sealedStore(db),
    usage: usageStore(db),
    budgets: budgetsStore(db),
  };
}
